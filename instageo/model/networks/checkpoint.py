"""Checkpoints: what they carry beside the weights, how they are read, and whether settings agree with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from instageo.errors import CheckpointError
from instageo.model.backbones.torch_files import METADATA_KEY, read_tensor_file
from instageo.model.backbones.weights import check_lora_merged
from instageo.model.chips.coordinates import COORDINATE_CONVENTION
from instageo.model.registry.local_models import local_checkpoint
from instageo.model.registry.names import is_registry_name
from instageo.model.settings import Settings
from instageo.model.settings.compose import flatten, is_setting, read_yaml, settings_to_dict
from instageo.model.settings.roles import BEFORE, DEFAULTS, FIXED, RECORDED
from instageo.version import __version__

BEST, LAST = "instageo_best_checkpoint", "last"
"""File names, without `.ckpt`, of the best epoch's weights and of the newest state to resume from."""

OLD_ENCODER = "prithvi_100M_backbone."

UNUSED = ("prithvi_encoder.pos_embed", "prithvi_encoder.decoder", "prithvi_encoder.mask_token")
"""Keys that published files may hold and that are computed or not needed."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read.

    Attributes:
        path: The file.
        state: Tensors of the network, without the leading `net.`.
        settings: `group.key: value` for the keys in FIXED and DEFAULTS that it knows.
        metrics: Scores on the validation table; empty where unknown.
        run: All settings that its training was asked for, `group.key: value`; empty where unknown.
    """

    path: Path
    state: dict[str, Tensor]
    settings: dict[str, Any]
    metrics: dict[str, float]
    run: dict[str, Any] = field(default_factory=dict)


def checkpoint_metadata(settings: Settings, run: Settings, metrics: Mapping[str, float]) -> dict[str, Any]:
    """What a checkpoint carries beside its weights: plain types, so that `weights_only=True` reads it.

    Args:
        settings: Those of the network, sizes fitted to the chips.
        run: Those the user asked for, which a resumed run must share.
        metrics: Scores of the epoch.
    """
    flat = flatten(settings_to_dict(settings))
    packages = ("torch", "pytorch-lightning", "rasterio", "numpy")
    section = {
        "format": 1,
        "settings": {key: flat[key] for key in (*FIXED, *DEFAULTS, *RECORDED)},
        "run": flatten(settings_to_dict(run)),
        "metrics": dict(metrics),
        "coordinates": COORDINATE_CONVENTION,
        "versions": {"instageo": __version__, **{package: version(package) for package in packages}},
    }
    return {METADATA_KEY: section}


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of this program, or a published one with `.hydra/config.yaml` beside it.

    Args:
        path: As `locate` takes it.

    Raises:
        CheckpointError: Missing, not readable as plain tensors, or without a network or settings.
    """
    path = locate_checkpoint(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist; check checkpoint_path")
    content = read_tensor_file(path, CheckpointError)
    tensors, told = content.get("state_dict"), content.get(METADATA_KEY)
    section = told if isinstance(told, Mapping) else {}
    if not isinstance(tensors, Mapping) or not any(str(key).startswith("net.") for key in tensors):
        raise CheckpointError(f"{path}: holds no network (state_dict with keys net.*); expected a training checkpoint")
    stored = section.get("settings", {})
    check_lora_merged(tensors, path, CheckpointError)
    state = _network_state(tensors)
    decided = dict(stored) if isinstance(stored, Mapping) and stored else _settings_beside(path, state)
    asked = section.get("run") or _run_beside(path)
    return Checkpoint(path, state, BEFORE | decided, dict(section.get("metrics", {})), dict(asked))


def locate_checkpoint(source: str | Path) -> Path:
    """The file of a checkpoint: of a run's directory the best one; of a model in a registry, fetched if need be.

    Args:
        source: A path, or `registry:model/size@version`.

    Raises:
        RegistryError: There is no such model.
        StoreError: It cannot be fetched.
    """
    if is_registry_name(source):
        return local_checkpoint(str(source))
    path = Path(source).expanduser()
    return path / f"{BEST}.ckpt" if path.is_dir() else path


def _settings_beside(path: Path, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Settings of a published checkpoint; those that early InstaGeo does not have are what it always does."""
    beside = path.parent / ".hydra" / "config.yaml"
    if not beside.is_file():
        raise CheckpointError(f"{path}: says nothing of its settings, and there is no {beside}; put it back beside it")
    kernel = state.get("segmentation_head.0.2.weight")
    head = "upscaling" if kernel is None or kernel.shape[-1] == 3 else "upscaling_600m"
    stored = {"model.head": head, "model.model_name": "prithvi_eo_v1_100"} | read_yaml(beside)
    told = {key: stored[key] for key in (*FIXED, *DEFAULTS) if key in stored and is_setting(key)}
    return {key: None if value == "None" else value for key, value in told.items()}


def _run_beside(path: Path) -> dict[str, Any]:
    beside = path.parent / ".hydra" / "config.yaml"
    stored = read_yaml(beside) if beside.is_file() else {}
    return {key: None if value == "None" else value for key, value in stored.items() if is_setting(key)}


def _network_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {key.removeprefix("net."): value for key, value in tensors.items() if key.startswith("net.")}
    renamed = {key.replace(OLD_ENCODER, "prithvi_encoder.", 1): value for key, value in named.items()}
    return {key: value for key, value in renamed.items() if not key.startswith(UNUSED)}


def load_network_state(net: nn.Module, checkpoint: Checkpoint) -> None:
    """Fill a network; every tensor must be there and fit, but for position embeddings, which are computed.

    Raises:
        CheckpointError: A tensor is missing, left over or of another shape.
    """
    own = {key: value for key, value in net.state_dict().items() if not key.startswith(UNUSED)}
    missing = [key for key in own if key not in checkpoint.state]
    spare = [key for key in checkpoint.state if key not in own]
    misshapen = [key for key in own if key in checkpoint.state and checkpoint.state[key].shape != own[key].shape]
    for what, found in (("lacks", missing), ("has the unknown", spare), ("has another shape of", misshapen)):
        if found:
            detail = found[0] if what != "has another shape of" else _shapes(found[0], checkpoint.state, own)
            raise CheckpointError(
                f"{checkpoint.path}: does not fit the network: {what} {detail} (and {len(found) - 1} more); "
                "use the settings it was trained with"
            )
    net.load_state_dict(checkpoint.state, strict=False)


def _shapes(key: str, theirs: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    return f"{key}, {list(theirs[key].shape)} instead of {list(own[key].shape)}"
