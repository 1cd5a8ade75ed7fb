"""`instageo map`: map scenes, or an area on days from a catalogue."""

import inspect
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from instageo.area_maps.request import COMPOSITES, AreaRequest, divide_periods
from instageo.errors import ConfigError
from instageo.extras import required_by
from instageo.locations import hide_secrets
from instageo.model.commands.map_options import (
    EXTRAS,
    make_command,
    make_parameter,
    map_parameters,
    map_scenes_by_options,
    running_map,
    settings_of,
)
from instageo.runtime.progress import step_progress
from instageo.wording import option_flag

DESCRIPTION = """Map scenes of any size, or an area on days: GeoTIFFs, hectares of the classes, and pictures.

Examples: instageo map runs/floods scene.tif -o flood.tif --vector .gpkg

instageo map registry:floods/tiny S2A_MSIL2A_20240305.SAFE --mask cloud,shadow -o maps

instageo map runs/floods --area beira.geojson --date 2026-11-20/2026-11-26 -o beira

Run the same command again to continue after an interruption.
"""

PANEL = "Areas on days, from catalogues"

AREA_OPTIONS: tuple[tuple[str, Any, Any, str], ...] = (
    ("area", str | None, None, "Place to map: a file of polygons, a box W,S,E,N in degrees, or a tile such as 36KXD. "
     "With it, --date is a day or a period such as 2026-11-20/2026-11-26, and -o is a folder."),
    ("source", str | None, None, "Satellite product: hls, hls_s30, hls_l30, sentinel2, landsat or sentinel1; by "
     "default that of the training chips."),
    ("catalog", str | None, None, "Where images are searched: planetary, earthsearch, lpdaac, cdse, the URL of a STAC "
     "API, or a list, items.json or items.parquet."),
    ("collection", str | None, None, "Collection to search instead of the catalogue's usual one."),
    ("composite", str, "clearest", f"How images are combined, pixel by pixel: {', '.join(COMPOSITES[:-1])}, or none "
     "for the single clearest image."),
    ("before", str | None, None, "Earlier day or period of a comparison; with --after, instead of --date."),
    ("after", str | None, None, "Later day or period of a comparison."),
    ("every", str | None, None, "Divide --date into periods of this many days, such as 16d, and map each."),
    ("zones", str | None, None, "File of polygons, such as districts; the hectares of each are measured."),
    ("max_cloud", float, 100.0, "Leave out images with more cloud cover than this, percent."),
    ("sentinel2_shift", str | None, None, "Offset of 1000 in Sentinel-2 values, if the catalogue does not say: pending "
     "or applied."),
    ("plan", bool, False, "Show images, megabytes and time, and stop before any pixel is read."),
    ("price_per_hour", float | None, None, "With --plan: price of an hour of this machine, to show the cost."),
    ("threads", int, 8, "Number of files read at a time."),
    ("cache_mb", int, 20_000, "Largest size of the cache of image blocks on disk, MB; 0 for no cache."),
)  # fmt: skip
"""Options of areas: name, type, default, help."""

OF_SCENES = ("sensor", "bands", "band_files", "quality", "scale_tags")
"""Options that say how files of scenes are read; products of catalogues say it themselves."""


def _parameters() -> list[inspect.Parameter]:
    """Return all arguments and options; `--date` also takes periods."""
    options = [
        make_parameter(
            name,
            Annotated[kind, typer.Option(option_flag(name), help=text, rich_help_panel=PANEL)],
            default,
        )
        for name, kind, default, text in AREA_OPTIONS
    ]
    return [*map_parameters(), *options]


def _run(values: dict[str, Any]) -> None:
    if values["area"] is None:
        given = [name for name, _, default, _ in AREA_OPTIONS if values[name] != default]
        if given:
            raise ConfigError(f"{_flag(given[0])}: is for areas; give --area, or leave it out")
        map_scenes_by_options(values)
        return
    with required_by("instageo map --area", f"{EXTRAS},data"):
        from instageo.area_maps.area_run import AreaOptions, run_areas
        from instageo.model.networks.memory import keep_freed_memory

    with running_map():
        requests = area_requests(values)
        settings, explicit = settings_of(values | {"dates": []})
        keep_freed_memory()
        options = AreaOptions(
            Path(values["output"] or "maps"), values["threads"], values["cache_mb"], values["plan"],
            values["price_per_hour"], values["json"], hide_secrets(shlex.join(["instageo", *sys.argv[1:]])),
        )  # fmt: skip
        run_areas(settings, explicit, requests, options, step_progress)


def area_requests(values: Mapping[str, Any]) -> dict[str, AreaRequest]:
    """Return what options ask for: one request, or several by name: `before` and `after`, or one for each period.

    Raises:
        ConfigError: Options contradict each other.
    """
    for name in ("scenes", *OF_SCENES):
        if values[name]:
            raise ConfigError(f"{'SCENE' if name == 'scenes' else _flag(name)}: is for scenes; leave it or --area out")
    if Path(values["output"] or "").suffix.lower() in (".tif", ".tiff"):
        raise ConfigError(f"--output {values['output']}: is a file; an area needs a folder, such as -o maps")
    if values["price_per_hour"] is not None and not values["plan"]:
        raise ConfigError("--price-per-hour: is for the plan; add --plan, or leave it out")
    before, after = (None if values[name] is None else values[name].split(",") for name in ("before", "after"))
    periods = divide_periods(values["dates"] or [], before, after, values["every"])
    mask = tuple(part.strip() for part in (values["mask"] or "").split(",") if part.strip())
    shared: dict[str, Any] = {
        name: values[name]
        for name in ("area", "source", "catalog", "collection", "composite", "max_cloud", "resolution", "zones",
                     "dilation", "sentinel2_shift")
    }  # fmt: skip
    shared["mask"] = () if mask == ("none",) else mask or None
    return {name: AreaRequest(days=days, **shared) for name, days in periods.items()}


def _flag(name: str) -> str:
    return option_flag("band" if name == "band_files" else name)


map_command = make_command(_run, _parameters(), DESCRIPTION)
