"""Choose what computes a network on this machine: what was asked for, or the fastest that agrees with PyTorch."""

import logging
from collections.abc import Callable

from instageo.errors import BackendUnavailableError, MissingExtraError, OutOfMemoryError, WriteError
from instageo.model.backends.backend import AUTO, TORCH, Backend, BackendChoice, ChipBatch, NetworkSource
from instageo.model.backends.candidates import BACKENDS, candidates
from instageo.model.backends.cpu_features import NATIVE_BF16, cpu_features, describe_features
from instageo.model.backends.openvino_backend import MAX_CALIBRATION_CHIPS
from instageo.model.backends.remembered import RememberedTrial, TrialMemory
from instageo.model.backends.torch_backend import TorchBackend
from instageo.model.backends.trial import MIN_AGREEMENT, Agreement, TrialFigures, try_backends
from instageo.runtime.memory import explain_memory_errors

log = logging.getLogger(__name__)

MIN_CHIPS = 64
"""Fewest chips for which speed is looked at."""

MIN_SECONDS = 60.0
"""Shortest work, by PyTorch, for which conversions and trials pay."""

MIN_GAIN = 1.05
"""How much faster than PyTorch in float32 a backend must be."""

TRIAL_CHIPS = 8
"""Chips of a trial."""

INT8_AGREEMENT = 0.99
"""Least share of pixels on which int8 must agree to be chosen; below it a named int8 gives a warning."""

ADVICE = "use a machine with more memory, or engine.backend=torch"

ReadChips = Callable[[int], ChipBatch | None]
"""Reads up to that many normalised chips of the work; returns None without any."""


def choose_backend(
    network: NetworkSource,
    request: BackendChoice,
    read_chips: ReadChips,
    num_chips: float,
    agreement: Agreement,
    num_callers: int = 1,
) -> Backend:
    """Return what computes a network, and say so in one line.

    Args:
        network: The network.
        request: `engine.backend` and `engine.precision`.
        read_chips: Reads chips for a trial, or to calibrate int8 with.
        num_chips: About how many chips are to be computed.
        agreement: Compares outputs.
        num_callers: Threads that compute batches at the same time.
    """
    exported = network.int8 is not None and network.int8.compared
    options = candidates(request, network.device.type, cpu_features(), int8_export=exported)

    def take_first() -> Backend:
        return _build_named(network, request, options[0], read_chips, agreement)

    if len(options) == 1:
        return take_first()
    memory = TrialMemory(network, request, num_callers)
    remembered = memory.read()
    if backend := _remembered_backend(network, options, memory, remembered):
        return backend
    if num_chips < MIN_CHIPS:
        return take_first()
    reference = TorchBackend(network.net, "f32", network.device)
    if remembered is None:
        chips = read_chips(TRIAL_CHIPS)
        if chips is None:
            return take_first()
        alone = try_backends([reference], chips, agreement, num_callers=num_callers)
        remembered = RememberedTrial(alone[0].chips_per_s)
        memory.write(remembered)
    seconds = num_chips / remembered.torch_speed
    ready = all(BACKENDS[each.backend].is_ready(network, each.precision) for each in options)
    if seconds < MIN_SECONDS and not ready:
        if options[0] != TORCH:
            return take_first()
        what = f"{remembered.torch_speed:.1f} chips/s; too little work, about {seconds:.0f} s, to try others"
        log.info("%s", f"engine: {TORCH} ({what})")
        return reference
    chips = read_chips(TRIAL_CHIPS)
    if chips is None:
        return take_first()
    built = [_try_to_build(network, each, chips) for each in options if each != TORCH]
    backends = [reference, *(each for each in built if each is not None)]
    figures = try_backends(backends, chips, agreement, num_callers=num_callers)
    best = _fastest(figures, MIN_GAIN if TORCH in options else 0.0)
    _remember(memory, figures, figures[best], network)
    return backends[best]


def build_backend(network: NetworkSource, choice: BackendChoice) -> Backend:
    """Return a backend by name, without a trial; int8 must have been exported, or calibrated before.

    Raises:
        BackendUnavailableError: It cannot be had on this machine.
        MissingExtraError: A package is not installed.
    """
    return BACKENDS[choice.backend].build(network, choice.precision, None)


def _remembered_backend(
    network: NetworkSource, options: list[BackendChoice], memory: TrialMemory, remembered: RememberedTrial | None
) -> Backend | None:
    """Return what an earlier trial has chosen; None without one, or after forgetting one that cannot be had."""
    if remembered is None or remembered.choice not in options:
        return None
    backend = _try_to_build(network, remembered.choice, None)
    if backend is None:
        memory.forget()
        return None
    speed = f"{remembered.speed:.1f} chips/s in an earlier trial, PyTorch {remembered.torch_speed:.1f}"
    log.info("%s", f"engine: {backend.choice} ({speed})")
    return backend


def _build_named(
    network: NetworkSource, request: BackendChoice, choice: BackendChoice, read_chips: ReadChips, agreement: Agreement
) -> Backend:
    """Return the only backend that fits a request, or PyTorch in float32 if it cannot be had."""
    reference = TorchBackend(network.net, "f32", network.device)
    if choice == TORCH:
        if request.backend not in (AUTO, "torch") or request.precision not in (AUTO, "f32"):
            log.warning("engine: %s cannot be had on %s; %s computes", request, network.device.type, TORCH)
        return reference
    if choice.precision == "bf16" and network.device.type == "cpu" and not NATIVE_BF16 & cpu_features():
        names = describe_features(cpu_features())
        log.warning("engine.precision=bf16: this CPU emulates it, which takes long (it has %s); use auto", names)
    chips = read_chips(MAX_CALIBRATION_CHIPS if choice.precision == "int8" else TRIAL_CHIPS)
    backend = _try_to_build(network, choice, chips)
    if backend is None:
        return reference
    if chips is None:
        log.info("%s", f"engine: {choice}")
        return backend
    few = chips.head(TRIAL_CHIPS)
    agreed = agreement(reference(*few), backend(*few))
    if agreed < _least_agreement(choice):
        log.warning("engine: %s agrees with %s on only %.2f %% of pixels", choice, TORCH, 100 * agreed)
    else:
        log.info("%s", f"engine: {choice} (agrees with {TORCH} on {100 * agreed:.2f} % of pixels)")
    return backend


def _remember(memory: TrialMemory, figures: list[TrialFigures], chosen: TrialFigures, network: NetworkSource) -> None:
    """Write the result of a trial into the memory and the log."""
    memory.write(RememberedTrial(figures[0].chips_per_s, chosen.choice, chosen.chips_per_s, chosen.agreement))
    log.info("%s", _describe(chosen, figures, network))


def _fastest(figures: list[TrialFigures], min_gain: float) -> int:
    """Return the index of the fastest backend that agrees with the first; the first itself if none does.

    Args:
        figures: Of PyTorch in float32, and of the others.
        min_gain: How much faster than PyTorch it must be; 0 if a request leaves PyTorch in float32 out.
    """
    fit = [
        index
        for index, each in enumerate(figures[1:], start=1)
        if each.agreement >= _least_agreement(each.choice) and each.chips_per_s >= min_gain * figures[0].chips_per_s
    ]
    return max(fit, key=lambda index: figures[index].chips_per_s, default=0)


def _least_agreement(choice: BackendChoice) -> float:
    return INT8_AGREEMENT if choice.precision == "int8" else MIN_AGREEMENT


def _describe(chosen: TrialFigures, figures: list[TrialFigures], network: NetworkSource) -> str:
    others = [
        f"{each.choice} {each.chips_per_s:.1f}"
        + (f", which agrees on {100 * each.agreement:.2f} %" if each.agreement < _least_agreement(each.choice) else "")
        for each in figures
        if each is not chosen
    ]
    tried = f"; tried: {'; '.join(others)}" if others else ""
    where = describe_features(cpu_features()) if network.device.type == "cpu" else network.device.type
    agrees = f"{100 * chosen.agreement:.2f} % as PyTorch"
    return f"engine: {chosen.choice} ({chosen.chips_per_s:.1f} chips/s, {agrees}{tried}; {where})"


def _try_to_build(network: NetworkSource, choice: BackendChoice, chips: ChipBatch | None) -> Backend | None:
    """Return a backend; None, with one line in the log, if it cannot be had."""
    try:
        with explain_memory_errors("the conversion", ADVICE):
            return BACKENDS[choice.backend].build(network, choice.precision, chips)
    except (BackendUnavailableError, MissingExtraError, OutOfMemoryError, WriteError) as error:
        log.warning("engine: %s is not used: %s", choice, error)
    return None
