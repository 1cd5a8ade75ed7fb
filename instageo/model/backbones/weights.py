"""Published encoder weights: found on disk or on the Hugging Face hub, unwrapped, and loaded with an account."""

import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from instageo.errors import WeightsError
from instageo.model.backbones.prithvi import PrithviEncoder, find_variant
from instageo.model.plain import read_plain

log = logging.getLogger(__name__)

WRAPPERS = ("model", "state_dict", "model_state")
"""Keys under which files keep the state dict."""

PREFIXES = ("_timm_module.", "net.", "prithvi_encoder.", "prithvi_100M_backbone.", "encoder.")
"""Leading parts of keys that name the place of the encoder in a larger network, outermost first."""


@dataclass(frozen=True)
class LoadReport:
    """What happened to each key.

    Attributes:
        loaded: Keys of the encoder that took a value from the file.
        dropped: Keys of the file that the encoder has no use for.
        new: Keys of the encoder that keep their initial values.
    """

    loaded: tuple[str, ...]
    dropped: tuple[str, ...]
    new: tuple[str, ...]

    def summary(self) -> str:
        """One line for the log."""
        text = f"loaded {len(self.loaded)} tensors, dropped {len(self.dropped)} of other parts"
        return f"{text}, newly initialised: {', '.join(self.new)}" if self.new else text


def find_weights(model_name: str, weights: str | None = None) -> Path:
    """The file with a variant's pretrained weights.

    Args:
        model_name: The variant.
        weights: A local `.pt`, `.pth`, `.ckpt` or `.safetensors` file; None for the published file, from the local
            Hugging Face cache or, if the network allows, downloaded into it.

    Raises:
        WeightsError: The file is not to be had.
    """
    if weights is None:
        return _published_file(model_name)
    file = Path(weights).expanduser()
    if not file.is_file():
        raise WeightsError(f"{file}: no such weights file; check model.weights")
    return file


def load_pretrained(encoder: PrithviEncoder, model_name: str, file: Path) -> LoadReport:
    """Fill an encoder with pretrained weights.

    Args:
        encoder: Changed in place.
        model_name: Its variant.
        file: As found by `find_weights`.

    Raises:
        WeightsError: The file is unreadable or does not fit.
    """
    state = unwrap(read_plain(file, WeightsError))
    own = {key: value for key, value in encoder.state_dict().items() if key != "pos_embed"}
    fitting = {key: state[key] for key in own if key in state}
    if not fitting:
        raise WeightsError(f"{file}: none of its {len(state)} tensors is one of {model_name}; found {list(state)[:3]}")
    for key, value in fitting.items():
        if value.shape != own[key].shape:
            raise WeightsError(
                f"{file}: {key} has shape {list(value.shape)}, but {model_name} as configured needs "
                f"{list(own[key].shape)}; choose the model the file was made for and six bands per date"
            )
    encoder.load_state_dict(fitting, strict=False)
    dropped = tuple(key for key in state if key not in fitting)
    report = LoadReport(tuple(fitting), dropped, tuple(key for key in own if key not in state))
    log.info("%s: %s", file, report.summary())
    return report


def unwrap(content: Mapping[str, object]) -> dict[str, Tensor]:
    """The tensors of a file, those of an encoder under their plain names, whatever it wraps them in."""
    for wrapper in WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, Mapping):
            content = inner
    return {_plain(key): value for key, value in content.items() if isinstance(value, Tensor)}


def _plain(key: str) -> str:
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    return key


def _published_file(model_name: str) -> Path:
    variant = find_variant(model_name)
    without = "train from random weights with model.load_pretrained_weights=false"
    if not variant.repository:
        raise WeightsError(f"{model_name} has no published weights; name a file with model.weights=…, or {without}")
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(variant.repository, variant.file, local_files_only=True))
    except LocalEntryNotFoundError:
        log.info("%s is not in %s; downloading it", variant.file, constants.HF_HUB_CACHE)
    try:
        if constants.HF_HUB_OFFLINE or not _answers(constants.ENDPOINT):
            raise ConnectionError("no network")
        return Path(hf_hub_download(variant.repository, variant.file))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise WeightsError(
            f"the pretrained weights of {model_name} could not be had ({error}): {variant.file} of the Hugging Face "
            f"repository {variant.repository}, looked for in {constants.HF_HUB_CACHE}. Fetch it on a machine with "
            f"network and name it with model.weights=/path/to/{variant.file}, or {without}"
        ) from error


def _answers(url: str) -> bool:
    """Whether a server answers at all: one quick try, where the hub's client would retry for most of a minute."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 the hub's own address
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
