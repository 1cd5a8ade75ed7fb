"""Published encoder weights: found on disk or on the Hugging Face hub, unwrapped, and loaded with an account."""

import logging
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from instageo.errors import WeightsError
from instageo.model.backbones.prithvi import PrithviEncoder, find_variant

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


def load_pretrained(encoder: PrithviEncoder, model_name: str, weights: str | None = None) -> LoadReport:
    """Fill an encoder with pretrained weights.

    Args:
        encoder: Changed in place.
        model_name: Its variant.
        weights: A local `.pt`, `.pth`, `.ckpt` or `.safetensors` file; None for the published file, from the local
            Hugging Face cache or, if the network allows, downloaded into it.

    Raises:
        WeightsError: The file is not to be had, unreadable, or does not fit.
    """
    file = Path(weights) if weights else _published_file(model_name)
    state = unwrap(read_state_dict(file))
    own = {key: value for key, value in encoder.state_dict().items() if key != "pos_embed"}
    fitting = {key: state[key] for key in own if key in state}
    if not fitting:
        raise WeightsError(
            f"{file}: none of its {len(state)} tensors belongs to {model_name}; found {list(state)[:3]} …"
        )
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


def read_state_dict(file: Path) -> Mapping[str, object]:
    """Read a weights file without running code from it.

    Raises:
        WeightsError: It is missing, or not a file of plain tensors.
    """
    if not file.is_file():
        raise WeightsError(f"{file}: no such weights file; check model.weights")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{file}: cannot be read as a file of plain tensors ({reason})") from error
    if not isinstance(content, Mapping):
        raise WeightsError(f"{file}: holds a {type(content).__name__}; expected a dictionary of tensors")
    return content


def _published_file(model_name: str) -> Path:
    variant = find_variant(model_name)
    without = "train from random weights with model.load_pretrained_weights=false"
    if not variant.repository:
        raise WeightsError(f"{model_name} has no published weights; name a file with model.weights=…, or {without}")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(hf_hub_download(variant.repository, variant.file))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise WeightsError(
            f"the pretrained weights of {model_name} could not be had: {variant.file} of the Hugging Face repository "
            f"{variant.repository} ({type(error).__name__}). Fetch it on a machine with network and name it with "
            f"model.weights=/path/to/{variant.file}, or {without}"
        ) from error
