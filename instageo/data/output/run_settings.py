"""`settings.json` of an output folder: how its chips were made, and how the program reads them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from instageo.data.chip_settings import ChipSettings
from instageo.data.sources.source import CHIP_NO_DATA, Source
from instageo.errors import RunFolderError
from instageo.files import write_text
from instageo.plain_values import load_json
from instageo.version import __version__

SETTINGS = "settings.json"

FREE_OPTIONS = ("input", "output", "threads", "memory_mb", "resume")
"""Options that may differ when a run is resumed: they do not change what is written."""


def settings_record(settings: ChipSettings, source: Source, catalog: str, bands: tuple[str, ...], *, classes: bool,
                    input_sha256: str) -> dict[str, Any]:  # fmt: skip
    """Return what `settings.json` says.

    Args:
        settings: Options of the command.
        source: The product.
        catalog: Catalogue, as resolved.
        bands: Bands of a date, as resolved.
        classes: Whether labels are classes; otherwise they are values.
        input_sha256: Checksum of the table of points, or of the labels.
    """
    options = {name: value for name, value in asdict(settings).items() if name not in FREE_OPTIONS}
    options |= {"source": source.name, "catalog": catalog, "bands": list(bands), "input_sha256": input_sha256}
    dataloader: dict[str, Any] = {
        "band_names": list(bands),
        "temporal_dim": settings.steps,
        "no_data_value": CHIP_NO_DATA,
        "img_size": settings.size,
    }
    if source.radar_unit is None:
        dataloader |= {"constant_multiplier": 1.0, "constant_offset": 0.0}
        dataloader |= {"processing_level": source.processing_level} if source.processing_level else {}
    elif source.sensor and bands == source.bands:
        dataloader["sensor"] = source.sensor
    else:
        dataloader["radar_unit"] = source.radar_unit
    label = {"kind": settings.label, "classes": classes, "ignore": -1 if classes else CHIP_NO_DATA}
    record = {"program": f"InstaGeo-Model {__version__}", "unit": source.unit, "options": options}
    record |= {"dataloader": dataloader}
    plain: dict[str, Any] = json.loads(json.dumps(record | {"label": label}))
    return plain


def write_settings(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `settings.json`."""
    write_text(folder / SETTINGS, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def check_settings(folder: Path, record: Mapping[str, Any]) -> None:
    """Refuse to go on with a folder whose chips were made in another way.

    Raises:
        RunFolderError: An option differs, or the folder has no settings.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise RunFolderError(f"{folder}: has no {SETTINGS}, so there is nothing to resume; leave --resume out")
    former = _read(path)
    options = former.get("options", {}) if isinstance(former, dict) else {}
    if not isinstance(options, dict):
        raise RunFolderError(f"{path}: is damaged (options is not a mapping); choose another folder")
    if options.get("input_sha256") != record["options"]["input_sha256"]:
        raise RunFolderError(
            f"{folder}: its chips were made from another table, or labels, or these were changed since; pass the same "
            "input, or choose another folder"
        )
    for name, value in record["options"].items():
        if options.get(name) != value:
            raise RunFolderError(
                f"{folder}: its chips were made with {name}={options.get(name)}, but you passed {name}={value}; pass "
                "the same options, or choose another folder"
            )


def _read(path: Path) -> Any:
    try:
        return load_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFolderError(f"{path}: is damaged ({error}); choose another folder") from error
