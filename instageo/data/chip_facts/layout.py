"""How the chips of a table are read: layers, dates, bands, no-data value, unit, and values without a label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instageo.band_vocabulary import understand_labels
from instageo.data.cleaning.clean_settings import CleanSettings
from instageo.errors import ConfigError
from instageo.locations import is_remote
from instageo.plain_values import load_json_file
from instageo.raster.grid import RasterInfo

SETTINGS = "settings.json"

RADAR_BANDS = {"VV", "VH", "HH", "HV"}

CLASS_IGNORE, VALUE_IGNORE = -1.0, -9999.0
"""Values without a label, unless others are named: in labels of whole numbers, and in those of others."""


@dataclass(frozen=True)
class ChipLayout:
    """How chips are read.

    Attributes:
        steps: Dates of a chip; None to take as many as the row has dates, or 1.
        bands: Names of the bands of a date; empty if unknown.
        layers: Layers that are read, counted from 0; None for all.
        no_data: Value without an observation, in addition to tags and masks of the files.
        unit: `reflectance`, `radar` or `other`.
        ignore: Values of labels that mean no label; None for -1, or for -9999 in labels that are no whole numbers.
    """

    steps: int | None
    bands: tuple[str, ...]
    layers: tuple[int, ...] | None
    no_data: float | None
    unit: str
    ignore: tuple[float, ...] | None


def read_description(table: str) -> Mapping[str, Any]:
    """Return what `settings.json` next to a local table says; nothing if it does not exist.

    Raises:
        ConfigError: It is damaged.
    """
    path = Path(table).parent / SETTINGS
    if is_remote(table) or not path.is_file():
        return {}
    try:
        content = load_json_file(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); correct it, or move the table elsewhere") from error
    return content if isinstance(content, dict) else {}


def label_kind(description: Mapping[str, Any]) -> str | None:
    """Return what a description says of labels, `raster` or `value`; None if it says nothing."""
    kind = _section(description, "label").get("kind")
    return kind if kind in ("raster", "value") else None


def chip_layout(settings: CleanSettings, description: Mapping[str, Any]) -> ChipLayout:
    """Return how chips are read: options, else `settings.json`, else what files and rows say.

    Raises:
        ConfigError: The description holds values of another type.
    """
    loader, label = _section(description, "dataloader"), _section(description, "label")
    try:
        described_bands = tuple(str(name) for name in loader.get("band_names") or ())
        described_layers = tuple(loader.get("bands") or ())
        if not all(isinstance(layer, int) for layer in described_layers):
            described_layers = ()
        steps = settings.steps or (int(loader["temporal_dim"]) if loader.get("temporal_dim") else None)
        no_data = loader.get("no_data_value")
        ignore = label.get("ignore")
        layout = ChipLayout(
            steps,
            settings.bands or described_bands,
            settings.layers or described_layers or None,
            settings.no_data if settings.no_data is not None else None if no_data is None else float(no_data),
            "other",
            settings.ignore or (None if ignore is None else (float(ignore),)),
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{SETTINGS} next to the table does not work ({error}); correct it") from error
    return ChipLayout(**{**layout.__dict__, "unit": _unit(settings.unit, loader, layout.bands)})


def image_layers(info: RasterInfo, bands: Sequence[str] = ()) -> list[int]:
    """Return the layers of a file that are bands of an image, counted from 0.

    They are all but an alpha layer; if the file names every layer, and some are bands of a sensor, only those: a layer
    such as `hls_fmask` or `dem` next to `blue` and `red` may well be constant.

    Args:
        info: The file.
        bands: Bands that the user named; then all layers count.
    """
    names = [info.descriptions[layer] for layer in info.data_layers] if info.descriptions else []
    if bands or not names or not all(names):
        return info.data_layers
    labels = understand_labels(tuple(names))
    is_band = [layer for layer, label in zip(info.data_layers, labels, strict=True) if label.bands]
    return is_band or info.data_layers


def ignored_layers(info: RasterInfo, bands: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of the layers that `image_layers` leaves out."""
    layers = image_layers(info, bands)
    return tuple(info.descriptions[layer] for layer in info.data_layers if layer not in layers)


def _unit(asked: str, loader: Mapping[str, Any], bands: tuple[str, ...]) -> str:
    if asked != "auto":
        return asked
    sensor = str(loader.get("sensor") or "")
    is_radar = loader.get("radar_unit") or sensor.startswith("sentinel1") or (bands and set(bands) <= RADAR_BANDS)
    if is_radar:
        return "radar"
    factor, offset = loader.get("constant_multiplier"), loader.get("constant_offset")
    return "reflectance" if (factor in (None, 1, 1.0) and offset in (None, 0, 0.0)) else "other"


def _section(description: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = description.get(name)
    return section if isinstance(section, dict) else {}
