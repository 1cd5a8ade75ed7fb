"""Labels of rasters and polygons as the options of a command describe them."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from instageo.data.chip_settings import ChipSettings
from instageo.data.labelling.features import FeatureTable, group_by_day, parse_day, read_features
from instageo.data.labelling.label_areas import LabelArea
from instageo.data.labelling.label_sources import FeatureSource, RasterSource
from instageo.data.observations.class_map import read_class_map
from instageo.data.observations.from_settings import table_format
from instageo.data.observations.problems import Problems
from instageo.data.observations.table_rows import READERS
from instageo.errors import ConfigError, RasterError, TableError
from instageo.locations import file_stamp
from instageo.raster.grid import RasterInfo
from instageo.raster.label_warp import WarpRules, check_label_raster
from instageo.raster.reading import read_info
from instageo.vectors.vector_files import is_vector
from instageo.wording import counted

RASTERS = (".tif", ".tiff", ".vrt")
"""File endings of label rasters in a folder."""

DATE_TAGS = ("DATE", "DATES", "ACQUISITIONDATETIME", "TIFFTAG_DATETIME")
_DATE_IN_NAME = re.compile(r"(?<!\d)(20\d\d|19\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")


@dataclass(frozen=True)
class LabelAreas:
    """Labels of a command.

    Attributes:
        areas: One for each raster, or for each day of polygons.
        classes: Whether labels are classes; otherwise they are values.
        count: Number of rasters, or of features.
        sha256: Checksum of the input.
        notes: What was detected, for the user.
    """

    areas: tuple[LabelArea, ...]
    classes: bool
    count: int
    sha256: str
    notes: tuple[str, ...] = ()


def label_areas(settings: ChipSettings) -> LabelAreas:
    """Read what and where labels are; pixels of rasters are not read.

    Raises:
        TableError: Features or rasters have problems, all of which are listed.
        ConfigError: Options contradict each other.
        RasterError: A raster is unreadable, rotated or without reference system.
        MissingExtraError: A package is not installed.
    """
    if settings.records or is_vector(settings.input):
        return _feature_areas(settings, Path(settings.records or settings.input))
    return _raster_areas(settings)


def _feature_areas(settings: ChipSettings, path: Path) -> LabelAreas:
    if settings.on_conflict == "mean":
        raise ConfigError("on_conflict=mean does not apply to polygons; choose ignore, first or error")
    day = parse_day(settings.date, settings.date_format)
    table: FeatureTable = read_features(path, table_format(settings), class_field=settings.class_field, day=day)
    areas = tuple(
        LabelArea(f"{path} ({day})", day, FeatureSource(features, table.crs, settings.on_conflict), table.classes)
        for day, features in group_by_day(table.features).items()
    )
    digest = hashlib.sha256(table.content).hexdigest()
    return LabelAreas(areas, table.classes, len(table.features), digest, table.notes)


def _raster_areas(settings: ChipSettings) -> LabelAreas:
    paths = _find_rasters(Path(settings.input))
    infos = [read_info(path) for path in paths]
    for path, info in zip(paths, infos, strict=True):
        check_label_raster(path, info)
    classes = settings.label_type == "class" or (
        settings.label_type == "auto" and all(info.dtype.startswith(("int", "uint")) for info in infos)
    )
    rules, notes = _rules(settings, classes=classes)
    days, date_notes = _days(paths, infos, parse_day(settings.date, settings.date_format))
    areas = []
    for number, (path, info, day) in enumerate(zip(paths, infos, days, strict=True), start=1):
        bounds = info.grid.bounds_lonlat()
        if bounds is None:
            raise RasterError(f"{path}: its corners are nowhere on Earth; check its reference system and transform")
        areas.append(LabelArea(str(path), day, RasterSource(number, path, bounds, rules), classes))
    stamps = "\n".join(f"{path.name} {file_stamp(path)}" for path in paths)
    digest = hashlib.sha256(stamps.encode()).hexdigest()
    return LabelAreas(tuple(areas), classes, len(areas), digest, (*notes, *date_notes))


def _find_rasters(path: Path) -> list[Path]:
    if path.suffix.lower() in READERS:
        raise TableError(
            f"{path}: is a table, not a raster; make chips of its points with `instageo chips points`, or pass it to "
            "--records if a column holds geometries"
        )
    if not path.is_dir():
        return [path]
    paths = sorted(file for file in path.rglob("*") if file.suffix.lower() in RASTERS and file.name[0] != ".")
    if not paths:
        raise TableError(f"{path}: has no rasters; expected files that end in {', '.join(RASTERS)}")
    return paths


def _rules(settings: ChipSettings, *, classes: bool) -> tuple[WarpRules, list[str]]:
    """Return how labels are resampled, and what was decided."""
    method = settings.resample
    if classes and method == "mean":
        raise ConfigError("resample=mean cannot average classes; choose mode or nearest, or label_type=value")
    notes = [f"labels are {'classes' if classes else 'values'}"]
    if not classes and method == "mode":
        method = "mean"
        notes = ["labels are values; each pixel gets the mean of those within it (--resample nearest for the nearest)"]
    class_map = {_code(code): value for code, value in read_class_map(settings.class_map).items()}
    if class_map and not classes:
        raise ConfigError("class_map needs classes, but labels are values; pass label_type=class")
    return replace(
        WarpRules(method, settings.min_share, settings.label_no_data), class_map=class_map or None
    ), notes  # fmt: skip


def _code(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"class_map: '{text}' is not a code of a raster; expected a whole number") from error


def _days(paths: Sequence[Path], infos: Sequence[RasterInfo], chosen: date | None) -> tuple[list[date], list[str]]:
    """Return the date of each raster: that of its tags, else the option, else that in its name."""
    problems, days, named = Problems("dates of label rasters"), list[date](), list[str]()
    for number, (path, info) in enumerate(zip(paths, infos, strict=True), start=1):
        tagged = next((day for tag in DATE_TAGS if (day := _find_date(info.tags.get(tag, "")))), None)
        in_name = _find_date(path.stem)
        day = tagged or chosen or in_name
        if day is None:
            problems.add(number, f"{path.name} has no date in a tag or its name; pass --date")
            continue
        if not tagged and not chosen:
            named.append(path.name)
        days.append(day)
    problems.check()
    if not named:
        return days, []
    others = f" and {counted(len(named) - 1, 'other raster')}" if len(named) > 1 else ""
    return days, [f"the date of labels was taken from the name of {named[0]}{others}"]


def _find_date(text: str) -> date | None:
    match = _DATE_IN_NAME.search(text.replace(":", "-"))
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None
