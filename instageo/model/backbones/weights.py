"""Pretrained encoder weights: found, unwrapped, matched band by band, and loaded with an account of every key."""

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
"""Keys under which files keep the state dict."""

PREFIXES = ("_timm_module.", "net.", "prithvi_encoder.", "prithvi_100M_backbone.", "encoder.")
"""Leading parts of keys that name the place of the encoder in a larger network, outermost first."""

PATCHES = "patch_embed.proj.weight"
"""Key of the weights that see the bands, shape (embed_dim, bands, 1, patch, patch)."""


@dataclass(frozen=True)
class LoadReport:
    """What happened to each key.

    Attributes:
        loaded: Keys of the encoder that took a value from the file.
        dropped: Keys of the file that the encoder has no use for.
        new: Keys of the encoder that keep their initial values.
        notes: What was done to values to make them fit.
    """

    loaded: tuple[str, ...]
    dropped: tuple[str, ...]
    new: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line for the log, with blocks as ranges."""
        parts = [f"loaded {summarize_keys(self.loaded)}"]
        parts += [f"dropped {summarize_keys(self.dropped)}"] if self.dropped else []
        parts += [f"newly initialised: {summarize_keys(self.new)}"] if self.new else []
        return "; ".join([*parts, *self.notes])


def summarize_keys(keys: Sequence[str]) -> str:
    """Keys as the parts of the network they belong to: `cls_token, blocks.0-11, norm (150 tensors)`."""
    numbers: dict[str, set[int]] = {}
    for key in keys:
        numbered = re.match(r"(.*blocks)\.(\d+)\.", key)
        name = numbered[1] if numbered else re.sub(r"\.(weight|bias|scale)$", "", key)
        numbers.setdefault(name, set()).update([int(numbered[2])] if numbered else [])
    named = [f"{name}.{_ranges(sorted(found))}" if found else name for name, found in numbers.items()]
    return f"{', '.join(named)} ({len(keys)} tensors)"


def _ranges(numbers: Sequence[int]) -> str:
    if len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(map(str, numbers))


def find_weights(model_name: str, weights: str | None = None) -> Path:
    """The file with a variant's pretrained weights.

    Args:
        model_name: The variant.
        weights: A local `.pt`, `.pth`, `.ckpt` or `.safetensors` file, or the folder of another run; None for the
            published file, from the local Hugging Face cache or, if the network allows, downloaded into it.

    Raises:
        WeightsError: The file is not to be had.
    """
    if weights is None:
        return fetch_published_weights(model_name)
    file = Path(weights).expanduser()
    file = file / "instageo_best_checkpoint.ckpt" if file.is_dir() else file
    if not file.is_file():
        raise WeightsError(f"{file}: no such weights file; check model.weights")
    return file


def load_pretrained(
    encoder: PrithviEncoder, model_name: str, file: Path, bands: Sequence[str] = PRITHVI_BANDS
) -> LoadReport:
    """Fill an encoder with pretrained weights, bands matched by name.

    Args:
        encoder: Changed in place.
        model_name: Its variant.
        file: As found by `find_weights`.
        bands: Names of the encoder's bands, in their order.

    Raises:
        WeightsError: The file is unreadable or does not fit.
    """
    content = read_tensor_file(file, WeightsError)
    state, notes = unwrap_state_dict(content), []
    check_lora_merged(state, file, WeightsError)
    own = {key: value for key, value in encoder.state_dict().items() if key != "pos_embed"}
    if not any(key in state for key in own):
        raise WeightsError(f"{file}: none of its {len(state)} tensors is one of {model_name}; found {list(state)[:3]}")
    source = _bands_of(content)
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
                f"{list(own[key].shape)}; choose the model.model_name that the file was made for"
            )
    encoder.load_state_dict(fitting, strict=False)
    dropped = tuple(key for key in state if key not in fitting)
    report = LoadReport(tuple(fitting), dropped, tuple(key for key in own if key not in state), tuple(notes))
    (log.warning if report.new else log.info)("%s: %s", file, report.summary())
    return report


def check_lora_merged(keys: Iterable[str], file: Path, error: type[InstaGeoError]) -> None:
    """Refuse a state whose low-rank changes lie beside the weights they change.

    Raises:
        InstaGeoError: Of the given kind.
    """
    if any(".lora_" in key for key in keys):
        raise error(
            f"{file}: its low-rank changes (LoRA) are not merged, it serves to resume alone; "
            "take the instageo_best_checkpoint.ckpt beside it"
        )


def match_bands(weight: Tensor, source: Sequence[str], wanted: Sequence[str]) -> Tensor:
    """Weights of the patch embedding for other bands than it was trained with.

    A band that the weights know keeps its own, whatever its place. Bands left out are simply not seen, as if they
    always had their mean. If there are bands that the weights do not know, each starts from the mean of the known, and
    all are scaled by known/all: if every band shows the same, the embedding is that of the known alone, so activations
    keep their size.

    Args:
        weight: Shape (embed_dim, len(source), 1, patch, patch).
        source: Names of its bands.
        wanted: Names of the bands to make weights for.

    Returns:
        Shape (embed_dim, len(wanted), 1, patch, patch).
    """
    known = [source.index(name) for name in wanted if name in source]
    extra = len(wanted) - len(known)
    mean = weight[:, known or slice(None)].mean(dim=1)
    parts = [weight[:, source.index(name)] if name in source else mean for name in wanted]
    matched = torch.stack(parts, dim=1)
    if not extra:
        return matched
    return matched * ((len(known) or len(source)) / len(wanted))


def _describe_bands(source: Sequence[str], wanted: Sequence[str]) -> str:
    known, unknown = [name for name in wanted if name in source], [name for name in wanted if name not in source]
    unseen = [name for name in source if name not in wanted]
    text = f"bands by name: {', '.join(known) or 'none'}"
    text += f"; unknown to the weights, so started from their mean: {', '.join(unknown)}" if unknown else ""
    return text + (f"; left out: {', '.join(unseen)}" if unseen else "")


def _bands_of(content: Mapping[str, object]) -> tuple[str, ...]:
    """The bands that a file's weights were trained with: those our own checkpoints name, else the published six."""
    section = content.get(METADATA_KEY)
    settings = section.get("settings") if isinstance(section, Mapping) else None
    names = settings.get("dataloader.band_names") if isinstance(settings, Mapping) else None
    return tuple(names) if names else PRITHVI_BANDS


def unwrap_state_dict(content: Mapping[str, object]) -> dict[str, Tensor]:
    """The tensors of a file, those of an encoder under their plain names, whatever it wraps them in."""
    for wrapper in WRAPPERS:
        hidden_channels = content.get(wrapper)
        if isinstance(hidden_channels, Mapping):
            content = hidden_channels
    return {_plain(key): value for key, value in content.items() if isinstance(value, Tensor)}


def _plain(key: str) -> str:
    for prefix in PREFIXES:
        key = key.removeprefix(prefix)
    return key
