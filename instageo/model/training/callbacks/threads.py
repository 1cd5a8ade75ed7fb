"""Choose the number of CPU threads by measurement: on a busy machine fewer are often several times faster."""

import logging
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

log = logging.getLogger(__name__)

ROUNDS, BUDGET_S = 3, 1.0
"""Measurements of each number of threads, and seconds after which no further ones begin."""

MIN_GAIN = 1.2
"""Factor by which another number of threads must be faster to be chosen."""

SLOWER = 1.5
"""Factor by which an epoch takes longer than the fastest one before the threads are measured again."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables with which a user chooses the number of threads; nothing is measured then."""


class ThreadTuner(pl.Callback):
    """Sets PyTorch's number of threads to the fastest, at the start and when epochs become much slower.

    Only in training on the CPU by one process. The number is kept in checkpoints, so that a resumed run sums in the
    same order.
    """

    def __init__(self) -> None:
        self._threads: int | None = None
        self._start = 0.0
        self._fastest: float | None = None
        self._measure = True

    def state_dict(self) -> dict[str, Any]:
        """Return the chosen number of threads."""
        return {"threads": self._threads}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Use the number of threads of the run that is resumed, unless this machine has fewer."""
        self._threads = state_dict["threads"]
        self._measure = self._threads is None or self._threads > torch.get_num_threads()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure if need be, before the epoch's random numbers are seeded."""
        if pl_module.device.type == "cpu" and trainer.world_size == 1 and not is_chosen_by_user():
            if self._measure:
                self._threads = choose_threads(measured_step(pl_module), torch.get_num_threads())
            elif self._threads is not None:
                torch.set_num_threads(self._threads)
        self._measure, self._start = False, time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare the epoch's time with that of the fastest one."""
        seconds = time.monotonic() - self._start
        self._measure = self._fastest is not None and seconds > SLOWER * self._fastest
        self._fastest = seconds if self._measure or self._fastest is None else min(seconds, self._fastest)


def is_chosen_by_user() -> bool:
    """Return whether the environment says how many threads there shall be."""
    return any(os.environ.get(name) for name in THREAD_VARIABLES)


def measured_step(module: Any) -> Callable[[], None]:
    """Return a function that runs one image forward and backward, and changes nothing in the network."""
    net: nn.Module = module.net
    config: Any = module.net.config
    side = module.tiling.tile
    image = torch.zeros(1, len(module.mean), config.temporal_dim, side, side)

    def step() -> None:
        training = [part for part in net.modules() if part.training]
        net.eval()  # running means of batch normalisation stay
        try:
            net(image).float().square().mean().backward()
        finally:
            for part in training:
                part.training = True
            for parameter in net.parameters():
                parameter.grad = None

    return step


def choose_threads(step: Callable[[], None], default: int) -> int:
    """Set PyTorch's number of threads to the fastest of 1, half of the default and the default, and return it.

    Args:
        step: What is measured.
        default: The number that is kept unless another one is clearly faster.
    """
    candidates = sorted({1, max(default // 2, 1), default})
    if len(candidates) == 1:
        return default
    torch.set_num_threads(1)
    step()  # the first one allocates memory
    seconds = _time_candidates(step, candidates)
    fastest = min(candidates, key=seconds.__getitem__)
    chosen = fastest if seconds[default] > MIN_GAIN * seconds[fastest] else default
    torch.set_num_threads(chosen)
    if chosen != default:
        times = ", ".join(f"{count}: {seconds[count]:.2f} s" for count in candidates)
        log.info(
            "training with %d of %d CPU threads, which is faster now, perhaps because other programs use the cores "
            "(seconds per image by threads: %s); set OMP_NUM_THREADS to choose the number yourself",
            chosen, default, times,
        )  # fmt: skip
    return chosen


def _time_candidates(step: Callable[[], None], candidates: Sequence[int]) -> dict[int, float]:
    """Return the median time of a step for each number of threads, measured in turn."""
    times: dict[int, list[float]] = {count: [] for count in candidates}
    start = time.perf_counter()
    for _ in range(ROUNDS):
        if time.perf_counter() - start > BUDGET_S:
            break
        for count in candidates:
            torch.set_num_threads(count)
            began = time.perf_counter()
            step()
            times[count].append(time.perf_counter() - began)
    return {count: statistics.median(each) for count, each in times.items()}
