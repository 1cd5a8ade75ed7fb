"""Write what a checkpoint carries in addition to its weights, read checkpoints, and load their weights."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from instageo.errors import CheckpointError
from instageo.model.backbones.torch_files import METADATA_KEY, read_tensor_file
from instageo.model.backbones.weights import check_lora_merged
from instageo.model.chips.dates_and_location import COORDINATE_CONVENTION
from instageo.model.chips.distribution_shift import ValueRange
from instageo.model.graphs.exported_files import find_export
from instageo.model.networks.stored_settings import count_blocks, describe_unusable, describe_unusable_tensors
from instageo.model.registry.local_models import fetch_checkpoint, published_class_names
from instageo.model.registry.names import is_registry_name
from instageo.model.settings import Settings
from instageo.model.settings.compose import read_yaml, settings_to_dict
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import flatten, is_setting, keys_with, values_before_they_existed, with_current_names
from instageo.version import __version__
from instageo.wording import counted

BEST, LAST = "instageo_best_checkpoint", "last"
"""File names, without `.ckpt`, of the best epoch's weights and of the newest state to resume from."""

FORMAT = 2
"""Version of the metadata; 1 had other names for the states of averaged weights and plateaus."""

STORED = (Role.fixed_by_checkpoint, Role.default_from_checkpoint, Role.recorded_in_checkpoint)
"""Roles of the settings that a checkpoint stores."""

OLD_ENCODER = "prithvi_100M_backbone."

EARLIER_LIGHT = {
    "segmentation_head.classify.3.weight": "light_v0",
    "segmentation_head.pixels.0.bias": "light_v1",
    "segmentation_head.pixels.bias": "light_v2",
}
"""Heads that earlier versions called `light`, by a key that the present `light` does not have; the first decides."""

LIGHT_KEY = "segmentation_head.deepen.narrow.0.weight"
"""A key of all of these; networks of other kinds have some of the keys above."""

UNUSED = ("prithvi_encoder.pos_embed", "prithvi_encoder.decoder", "prithvi_encoder.mask_token")
"""Keys that published files may hold but that are computed or not needed."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read.

    Attributes:
        path: The file.
        state: Tensors of the network, without the leading `net.`.
        settings: `group.key: value` for settings that it fixes or has defaults for.
        metrics: Scores on the validation table; empty if unknown.
        run: All settings that the training was started with, `group.key: value`; empty if unknown.
        value_range: Usual values of the training chips; None in checkpoints of earlier versions.
    """

    path: Path
    state: dict[str, Tensor]
    settings: dict[str, Any]
    metrics: dict[str, float]
    run: dict[str, Any] = field(default_factory=dict)
    value_range: ValueRange | None = None


def checkpoint_metadata(
    settings: Settings, run: Settings, value_range: ValueRange | None, metrics: Mapping[str, float]
) -> dict[str, Any]:
    """Return what a checkpoint carries in addition to its weights, in plain types that `weights_only=True` reads.

    Args:
        settings: Resolved settings of the network.
        run: Settings that the user passed, which a resumed run must share.
        value_range: Usual values of the training chips; None if unknown.
        metrics: Scores of the epoch.
    """
    flat = flatten(settings_to_dict(settings))
    packages = ("torch", "pytorch-lightning", "rasterio", "numpy")
    section = {
        "format": FORMAT,
        "settings": {key: flat[key] for role in STORED for key in keys_with(role)},
        "run": flatten(settings_to_dict(run)),
        "metrics": dict(metrics),
        "value_range": value_range and value_range.to_dict(),
        "coordinates": COORDINATE_CONVENTION,
        "versions": {"instageo": __version__, **{package: version(package) for package in packages}},
    }
    return {METADATA_KEY: section}


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of this program, or a published one with `.hydra/config.yaml` next to it.

    Args:
        path: As `locate_checkpoint` takes it.

    Raises:
        CheckpointError: It is missing, not readable as plain tensors, or holds no network or settings.
    """
    path = locate_checkpoint(path)
    if exported := find_export(path):
        raise CheckpointError(
            f"{exported}: holds a network for other programs, which is not loaded as a model; name the checkpoint or "
            "the run that it was made of, and choose its runtime with engine.backend and engine.precision"
        )
    if not path.is_file():
        raise CheckpointError(
            f"checkpoint {path} does not exist; expected a file, the folder of a run, or registry:MODEL/SIZE"
        )
    content = read_tensor_file(path, CheckpointError)
    tensors = content.get("state_dict")
    if not isinstance(tensors, Mapping) or not any(str(key).startswith("net.") for key in tensors):
        raise CheckpointError(f"{path}: holds no network (state_dict with keys net.*); expected a training checkpoint")
    stored = checked_metadata(path, content)
    check_lora_merged(tensors, path, CheckpointError)
    state = _network_state(tensors)
    if stored["settings"]:
        settings, run = (with_current_head(with_current_names(stored[name]), state) for name in ("settings", "run"))
    else:
        settings, run = _published_settings(path, state), {}
    run = run or _hydra_settings(path)
    names = published_class_names(path.parent)
    if settings.get("model.class_names") is None and len(names) == settings.get("model.num_classes"):
        settings["model.class_names"] = names
    _check_stored(path, {"settings": settings})
    depth, blocks = settings.get("model.depth"), count_blocks(state)
    if depth not in (None, -1, blocks):
        raise CheckpointError(f"{path}: stores model.depth={depth}, but weights of {counted(blocks, 'block')}")
    usual = stored["value_range"]
    return Checkpoint(
        path,
        state,
        values_before_they_existed() | settings,
        dict(stored["metrics"]),
        run,
        _read_value_range(path, usual) if usual else None,
    )


def checked_metadata(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, run, metrics and value_range of a checkpoint by name, each empty if it is not there.

    Args:
        path: The file, for messages.
        content: What it holds.

    Raises:
        CheckpointError: Its tensors cannot be weights, or what it stores is not plain, or too large.
    """
    tensors, metadata = content.get("state_dict", {}), content.get(METADATA_KEY)
    if problem := describe_unusable_tensors(tensors):
        raise CheckpointError(f"{path}: its weights {problem}; it was not loaded")
    section = metadata if isinstance(metadata, Mapping) else {}
    stored = {name: section.get(name) or {} for name in ("settings", "run", "metrics", "value_range")}
    _check_stored(path, stored)
    return stored


def _read_value_range(path: Path, stored: Mapping[str, Any]) -> ValueRange:
    try:
        return ValueRange.from_dict(stored)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its value_range is not readable; it was not loaded") from error


def _check_stored(path: Path, stored: Mapping[str, Any]) -> None:
    for name, values in stored.items():
        if problem := describe_unusable(values):
            raise CheckpointError(f"{path}: its {name} {problem}; it was not loaded")


def locate_checkpoint(source: str | Path) -> Path:
    """Return the file of a checkpoint: the best one of a run's directory, or of a registry model, fetched if needed.

    Args:
        source: A path, or `registry:model/size@version`.

    Raises:
        RegistryError: The registry does not have the model.
        StoreError: It cannot be fetched.
    """
    if is_registry_name(source):
        return fetch_checkpoint(str(source))
    path = Path(source).expanduser()
    return path / f"{BEST}.ckpt" if path.is_dir() else path


def with_current_head(stored: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    """Return stored settings (`group.key: value`) with the present name of the head.

    Args:
        stored: Settings with keys of this version.
        keys: Keys of the checkpoint's tensors, without the leading `net.`.
    """
    if LIGHT_KEY not in keys:
        return dict(stored)
    earlier = next((head for key, head in EARLIER_LIGHT.items() if key in keys), None)
    return {**stored, "model.head": earlier} if earlier and stored.get("model.head") == "light" else dict(stored)


def _published_settings(path: Path, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the settings of a published checkpoint; keys that early InstaGeo lacks have the values it worked with."""
    if not _hydra_file(path).is_file():
        raise CheckpointError(
            f"{path}: stores no settings, and {_hydra_file(path)} does not exist; put that file back next to it"
        )
    kernel = state.get("segmentation_head.0.2.weight")
    head = "upscaling" if kernel is None or kernel.shape[-1] == 3 else "upscaling_600m"
    stored = {"model.head": head, "model.model_name": "prithvi_eo_v1_100"} | _hydra_settings(path)
    return {key: stored[key] for role in STORED[:2] for key in keys_with(role) if key in stored}


def _hydra_settings(path: Path) -> dict[str, Any]:
    """Return the settings in `.hydra/config.yaml` next to a checkpoint; empty if the file is missing."""
    stored = read_yaml(_hydra_file(path)) if _hydra_file(path).is_file() else {}
    return {key: None if value == "None" else value for key, value in stored.items() if is_setting(key)}


def _hydra_file(path: Path) -> Path:
    return path.parent / ".hydra" / "config.yaml"


def _network_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {key.removeprefix("net."): value for key, value in tensors.items() if key.startswith("net.")}
    renamed = {key.replace(OLD_ENCODER, "prithvi_encoder.", 1): value for key, value in named.items()}
    return {key: value for key, value in renamed.items() if not key.startswith(UNUSED)}


def check_network_state(net: nn.Module, checkpoint: Checkpoint) -> None:
    """Compare the names and shapes of a checkpoint's tensors with those of a network, which may be on `meta`.

    Raises:
        CheckpointError: A tensor is missing, left over or has another shape.
    """
    expected = {key: value for key, value in net.state_dict().items() if not key.startswith(UNUSED)}
    given = checkpoint.state
    missing = [key for key in expected if key not in given]
    surplus = [key for key in given if key not in expected]
    misshapen = [
        f"{key}, {list(given[key].shape)} instead of {list(value.shape)}"
        for key, value in expected.items()
        if key in given and given[key].shape != value.shape
    ]
    for problem, keys in (("lacks", missing), ("has the unknown", surplus), ("has another shape of", misshapen)):
        if keys:
            raise CheckpointError(
                f"{checkpoint.path}: does not fit the network: {problem} {keys[0]} (and {len(keys) - 1} more); "
                "use the settings it was trained with"
            )


def load_network_state(net: nn.Module, checkpoint: Checkpoint) -> None:
    """Load a checkpoint's tensors into a network; position embeddings are computed instead.

    Raises:
        CheckpointError: As in `check_network_state`.
    """
    check_network_state(net, checkpoint)
    net.load_state_dict(checkpoint.state, strict=False)
