"""What a user asks of an export."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

from instageo.arguments import as_dates, as_lat_lon, as_path, as_whole_number
from instageo.errors import ConfigError, did_you_mean
from instageo.locations import is_remote
from instageo.model.exports.formats import check_format
from instageo.model.graphs.exported_files import EXPORTS
from instageo.model.registry.names import is_registry_name, parse_name
from instageo.model.registry.published_paths import is_published_path
from instageo.wording import counted

PRECISIONS = ("f32", "int8")
"""Number formats of exported files; bf16 is chosen by the program that runs them."""


@dataclass(frozen=True)
class ExportRequest:
    """How to export a model.

    Attributes:
        format: A key of `EXPORT_FORMATS`.
        output: Folder of the files.
        name: Beginning of the files' names.
        tile: Side of the square images that the graph takes, pixels; None for that of training.
        opset: Operator set of ONNX; None for the format's own.
        precision: One of `PRECISIONS`.
        normalized_input: The graph takes normalised images, with 0 where nothing was observed, in place of pixels.
        logits: The graph gives the network's outputs in place of probabilities, or predictions in natural units.
        table: Table or folder of chips that the file is compared with the network on; None for the model's own
            validation table.
        calibration: Table or folder of chips for int8; None for the model's own training table.
        gate: Whether the file is compared with the network.
        dates: Acquisition date of all images, one or one for each date; empty for dates as an input.
        lat_lon: Location of all images; None for locations as an input.
        resolution: Metres per pixel, for formats that name it; None for that of the chips.
    """

    format: str
    output: Path
    name: str
    tile: int | None = None
    opset: int | None = None
    precision: str = "f32"
    normalized_input: bool = False
    logits: bool = False
    table: str | None = None
    calibration: str | None = None
    gate: bool = True
    dates: tuple[date, ...] = ()
    lat_lon: tuple[float, float] | None = None
    resolution: float | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            hint = "; bf16 needs no export, programs choose it when they load a file of f32" * (
                self.precision == "bf16"
            )
            raise ConfigError(
                f"precision={self.precision} does not work; expected one of {', '.join(PRECISIONS)}{hint}"
                f"{did_you_mean(self.precision, PRECISIONS)}"
            )
        check_format(self.format, self.precision, self.opset)
        if "/" in self.name or not is_published_path(f"{self.name}_{self.precision}"):
            raise ConfigError(
                f"name={self.name!r} does not work; expected the beginning of a file name that a registry takes: no "
                "folders, no dot in front, no colon, no .part or .lock; give another name"
            )
        if self.resolution is not None and not 0 < self.resolution < math.inf:
            raise ConfigError(f"resolution={self.resolution} does not work; expected metres per pixel, above 0")
        if self.calibration is not None and self.precision != "int8":
            raise ConfigError("calibration: chips are used for precision=int8 alone; remove it, or ask for int8")


def build_request(
    source: str, output: str | Path | None, format: str, name: str | None, options: Mapping[str, Any]
) -> ExportRequest:
    """Return a request from the arguments of the Python API, checked.

    Args:
        source: The model: a checkpoint, the folder of a run, or a name in a registry.
        output: Folder; None for `exports` in the folder of the run, or here for a model of a registry.
        format: A key of `EXPORT_FORMATS`.
        name: Beginning of the files' names; None for that of the run's folder.
        options: Further attributes of `ExportRequest`.

    Raises:
        ConfigError: A value does not work.
    """
    from instageo.model.networks.checkpoint import BEST, locate_checkpoint  # which imports PyTorch

    given = _convert(options)
    if is_registry_name(source):
        model = parse_name(source)
        folder, own_name = Path(EXPORTS), "-".join(filter(None, (model.model, model.size)))
    else:
        path = locate_checkpoint(source)
        best = path.stem == BEST
        folder, own_name = path.parent / EXPORTS, path.resolve().parent.name if best else path.stem
    if output is not None and is_remote(str(output)):
        raise ConfigError(f"output={output}: exports are written to a local folder; choose one")
    chosen = folder if output is None else Path(as_path("output", output)).expanduser()
    return ExportRequest(format=format, output=chosen, name=_name(own_name if name is None else name), **given)


def check_options(format: str, name: str | None, options: Mapping[str, Any]) -> None:
    """Check what can be checked before a model is loaded; arguments are those of `build_request`.

    Raises:
        ConfigError: A value does not work.
    """
    ExportRequest(format=format, output=Path(), name=_name("model" if name is None else name), **_convert(options))


def _name(name: object) -> str:
    return as_path("name", name, "the beginning of a file name")


def _convert(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes of a request in their types.

    Raises:
        TypeError: One does not exist.
        ConfigError: A value does not work.
    """
    names = {part.name for part in fields(ExportRequest)} - {"output", "format", "name"}
    if unknown := set(options) - names:
        raise TypeError(f"unknown option {min(unknown)}; the options are {', '.join(sorted(names))}")
    given = dict(options)
    for table in ("table", "calibration"):
        if given.get(table) is not None:
            given[table] = as_path(table, given[table], "a table of chips, or a folder with chips")
    for number in ("tile", "opset"):
        if given.get(number) is not None:
            given[number] = as_whole_number(number, given[number])
    given["dates"] = as_dates("dates", given.get("dates", ()))
    given["lat_lon"] = as_lat_lon("lat_lon", given.get("lat_lon"))
    return given


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        files: The network's file first, then those that belong to it.
        record: What `export.json` says of it: `gate`, `inputs`, `outputs` and more.
        notes: Sentences on what to know before using it.
    """

    files: tuple[Path, ...]
    record: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The network's file."""
        return self.files[0]

    @property
    def summary(self) -> str:
        """A sentence on how the file compares with the network."""
        gate = self.record["gate"]
        if not isinstance(gate, Mapping):
            return "not compared with the network"
        what, unit, largest = "values", "the values' spread", gate.get("relative_to_spread")
        if "largest_probability_difference" in gate:
            what, unit, largest = "classes", "a probability", gate["largest_probability_difference"]
        difference = "" if largest is None else f", largest difference {largest:.2g} of {unit}"
        return f"{what} agree on {gate['agreement']:.4%} of {counted(gate['chips'], 'chip')}{difference}"
