"""Find, unwrap and load pretrained encoder weights, matched band by band, with a report on every key."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from instageo.errors import InstaGeoError, WeightsError
from instageo.model.backbones.hub import fetch_published_weights
from instageo.model.backbones.prithvi import PrithviEncoder
from instageo.model.backbones.torch_files import METADATA_KEY, read_tensor_file
from instageo.sensors import PRITHVI_BANDS

log = logging.getLogger(__name__)

WRAPPERS = ("model", "state_dict", "model_state")
"""Keys under which files hold the state dict."""

PREFIXES = ("_timm_module.", "net.", "prithvi_encoder.", "prithvi_100M_backbone.", "encoder.")
"""Prefixes of keys that the encoder has within a larger network, outermost first."""

PATCHES = "patch_embed.proj.weight"
"""Key of the weights of the patch embedding, shape (embed_dim, bands, 1, patch_size, patch_size)."""


@dataclass(frozen=True)
class LoadReport:
    """Report on each key of a file and of the encoder.

    Attributes:
        loaded: Keys of the encoder that were filled from the file.
        dropped: Keys of the file that the encoder does not have.
        new: Keys of the encoder that keep their initial values.
        notes: Changes to the values, made so that they fit.
    """

    loaded: tuple[str, ...]
    dropped: tuple[str, ...]
    new: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one line for the log, with blocks as ranges."""
        parts = [f"loaded {summarize_keys(self.loaded)}"]
        parts += [f"dropped {summarize_keys(self.dropped)}"] if self.dropped else []
        parts += [f"newly initialised: {summarize_keys(self.new)}"] if self.new else []
        return "; ".join([*parts, *self.notes])


def summarize_keys(keys: Sequence[str]) -> str:
    """Return the parts of the network that keys belong to, as in `cls_token, blocks.0-11, norm (150 tensors)`."""
    blocks_of: dict[str, set[int]] = {}
    for key in keys:
        match = re.match(r"(.*blocks)\.(\d+)\.", key)
        name = match[1] if match else re.sub(r"\.(weight|bias|scale)$", "", key)
        blocks_of.setdefault(name, set()).update([int(match[2])] if match else [])
    parts = [f"{name}.{_format_numbers(sorted(blocks))}" if blocks else name for name, blocks in blocks_of.items()]
    return f"{', '.join(parts)} ({len(keys)} tensors)"


def _format_numbers(numbers: Sequence[int]) -> str:
    if len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(map(str, numbers))


def find_weights(model_name: str, weights: str | None = None) -> Path:
    """Return the file with a variant's pretrained weights.

    Args:
        model_name: The variant.
        weights: A local `.pt`, `.pth`, `.ckpt` or `.safetensors` file, or the folder of another run; None for the
            published file, from the local Hugging Face cache or downloaded into it.

    Raises:
        WeightsError: The file does not exist, or can be neither found nor downloaded.
    """
    if weights is None:
        return fetch_published_weights(model_name)
    file = Path(weights).expanduser()
    file = file / "instageo_best_checkpoint.ckpt" if file.is_dir() else file
    if not file.is_file():
        raise WeightsError(f"{file} does not exist; check model.weights")
    return file


def load_pretrained(
    encoder: PrithviEncoder, model_name: str, file: Path, bands: Sequence[str] = PRITHVI_BANDS
) -> LoadReport:
    """Fill an encoder with pretrained weights, matching bands by name.

    Args:
        encoder: Changed in place.
        model_name: Variant of the encoder, for messages.
        file: File of weights, see `find_weights`.
        bands: Names of the encoder's bands, in their order.

    Raises:
        WeightsError: The file is unreadable or does not fit.
    """
    content = read_tensor_file(file, WeightsError)
    state, notes = unwrap_state_dict(content), []
    check_lora_merged(state, file, WeightsError)
    own = {key: value for key, value in encoder.state_dict().items() if key != "pos_embed"}
    if not any(key in state for key in own):
        raise WeightsError(
            f"{file}: none of its {len(state)} tensors belongs to {model_name} (the first are {list(state)[:3]}); "
            "name a file of Prithvi weights with model.weights=…"
        )
    source = _read_band_names(content)
    if (
        PATCHES in state
        and tuple(bands) != source
        and state[PATCHES].ndim == 5
        and state[PATCHES].shape[1] == len(source)
    ):
        state[PATCHES] = match_bands(state[PATCHES], source, bands)
        notes.append(_describe_bands(source, bands))
    fitting = {key: state[key] for key in own if key in state}
    for key, value in fitting.items():
        if value.shape != own[key].shape:
            raise WeightsError(
                f"{file}: {key} has shape {list(value.shape)}, but {model_name} as configured needs "
                f"{list(own[key].shape)}; choose the model.model_name that the file belongs to"
            )
    encoder.load_state_dict(fitting, strict=False)
    dropped = tuple(key for key in state if key not in fitting)
    report = LoadReport(tuple(fitting), dropped, tuple(key for key in own if key not in state), tuple(notes))
    (log.warning if report.new else log.info)("%s: %s", file, report.summary())
    return report


def check_lora_merged(keys: Iterable[str], file: Path, error: type[InstaGeoError]) -> None:
    """Raise an error if there are LoRA weights that are not merged into the weights they adapt.

    Args:
        keys: Keys of a state dict.
        file: File that it was read from.
        error: Class of the error to raise.

    Raises:
        InstaGeoError: Of the class `error`: there are unmerged LoRA weights.
    """
    if any(".lora_" in key for key in keys):
        raise error(
            f"{file}: contains unmerged LoRA weights and can only be used to resume training; use the "
            "instageo_best_checkpoint.ckpt in the same folder"
        )


def match_bands(weight: Tensor, source: Sequence[str], target: Sequence[str]) -> Tensor:
    """Return weights of the patch embedding for other bands than it was trained with.

    A band that the weights were trained with keeps its own weights, whatever its position. A band left out is not seen,
    which has the effect of the band's mean everywhere. If there are new bands, each starts from the mean of the shared
    ones, and all weights are multiplied by shared/all: if all bands show the same, the embedding is that of the shared
    ones by themselves, so activations keep their size.

    Args:
        weight: Shape (embed_dim, len(source), 1, patch_size, patch_size).
        source: Names of its bands.
        target: Names of the bands to return weights for.

    Returns:
        Shape (embed_dim, len(target), 1, patch_size, patch_size).
    """
    shared = [source.index(name) for name in target if name in source]
    mean = weight[:, shared or slice(None)].mean(dim=1)
    parts = [weight[:, source.index(name)] if name in source else mean for name in target]
    matched = torch.stack(parts, dim=1)
    if len(shared) == len(target):
        return matched
    return matched * ((len(shared) or len(source)) / len(target))


def _describe_bands(source: Sequence[str], target: Sequence[str]) -> str:
    shared, new = [name for name in target if name in source], [name for name in target if name not in source]
    unused = [name for name in source if name not in target]
    text = f"bands by name: {', '.join(shared) or 'none'}"
    text += f"; not in the weights, so initialised with their mean: {', '.join(new)}" if new else ""
    return text + (f"; left out: {', '.join(unused)}" if unused else "")


def _read_band_names(content: Mapping[str, object]) -> tuple[str, ...]:
    """Return the bands that a file's weights were trained with: as our own checkpoints name them, else the six."""
    section = content.get(METADATA_KEY)
    settings = section.get("settings") if isinstance(section, Mapping) else None
    names = settings.get("dataloader.band_names") if isinstance(settings, Mapping) else None
    return tuple(names) if names else PRITHVI_BANDS


def unwrap_state_dict(content: Mapping[str, object]) -> dict[str, Tensor]:
    """Return the tensors of a file, those of an encoder under their plain names, however the file wraps them."""
    for wrapper in WRAPPERS:
        nested = content.get(wrapper)
        if isinstance(nested, Mapping):
            content = nested
    return {_remove_prefixes(key): value for key, value in content.items() if isinstance(value, Tensor)}


def _remove_prefixes(key: str) -> str:
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    return key
