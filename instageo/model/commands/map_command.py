"""`instageo map`: map scenes of any size, with the settings of the group `map` as options."""

import inspect
import re
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from instageo.errors import ConfigError, InstaGeoError
from instageo.extras import required_by
from instageo.model.settings.map_settings import MapSettings
from instageo.model.settings.run_settings import PRECISIONS
from instageo.raster.gdal_log import ignore_missing_georeference
from instageo.runtime.progress import log_to_stderr, step_progress

EXTRAS = "model,cpu"
"""Extras that the command needs."""

DESCRIPTION = """Map scenes of any size: a GeoTIFF, areas of the classes and a picture of each, on request polygons.

Examples: instageo map runs/floods scene.tif -o flood.tif --vector .gpkg

instageo map registry:floods/tiny S2A_MSIL2A_20240305.SAFE --mask cloud,shadow -o maps

Run the same command again to continue after an interruption.
"""

NAMES = {"band_files": "band", "dates": "date", "members": "member"}
"""Names of options that are repeated for several values, by setting."""

SCENES = (
    "Raster or URL, folder or archive of a product (HLS, Sentinel-2, Landsat), folder of rasters, or table. For "
    "several dates: one raster with all of them, or one of each date."
)

OTHERS: tuple[tuple[str, str, Any, Any, str], ...] = (
    ("tile", "test.crop_size", int | None, None, "side of tiles, pixels; by default that of training"),
    ("overlap", "test.overlap", int | None, None, "pixels that tiles share; by default an eighth, at least 16"),
    ("batch_size", "train.batch_size", int | None, None, "tiles per forward pass"),
    ("scale_tags", "dataloader.scale_tags", str | None, None, "scale and offset tags of files: auto, apply or ignore"),
    ("backend", "engine.backend", str, "auto", "runtime of the network: auto, torch, openvino or onnxruntime"),
    ("precision", "engine.precision", str, "auto", "number format: auto, f32, bf16 or int8; on GPUs also 16-mixed"),
    ("device", "accelerator", str, "auto", "device: auto, cpu, gpu, cuda or mps"),
    ("engine", "engine.kind", str, "local", "local, or ray for worker processes on this machine or a cluster"),
    ("num_workers", "ray.num_workers", int | None, None, "with --engine ray: worker processes; by default one per GPU"),
    ("address", "ray.address", str | None, None, "with --engine ray: a running cluster, auto or HOST:6379"),
)
"""Options of other groups: name, setting, type, default, help."""


def make_map_command() -> Callable[..., None]:
    """Return the command as a function for Typer."""
    model = Annotated[str, typer.Argument(help="Checkpoint, run folder, or name in the registry, registry:MODEL/SIZE.")]
    scenes = Annotated[list[str] | None, typer.Argument(metavar="SCENE…", help=SCENES)]
    parameters = [_parameter("model", model), _parameter("scenes", scenes, None)]
    for entry in fields(MapSettings):
        if entry.name != "scenes":
            parameters.append(_option(entry))
    for name, _, kind, default, text in OTHERS:
        parameters.append(_parameter(name, Annotated[kind, typer.Option(_flag(name), help=_sentence(text))], default))
    as_json = Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")]
    parameters.append(_parameter("json", as_json, False))

    def command(**values: Any) -> None:
        _run(values)

    command.__doc__ = DESCRIPTION
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _run(values: dict[str, Any]) -> None:
    with required_by("instageo map", EXTRAS):
        from instageo.model.commands.map_scenes import print_areas, report_maps, reports_json
        from instageo.model.map_jobs.from_settings import map_job_from_settings
        from instageo.model.map_jobs.map_scenes import map_scenes
        from instageo.model.networks.memory import keep_freed_memory
        from instageo.model.settings.compose import default_settings, update_settings

    given: dict[str, Any] = {"mode": "map", "checkpoint_path": values["model"]}
    for entry in fields(MapSettings):
        value = values[entry.name]
        if entry.name not in NAMES and entry.name != "scenes" and _is_list(entry):
            value = [part.strip() for part in (value or "").split(",") if part.strip()]
        given[f"map.{entry.name}"] = (value or []) if _is_list(entry) else value
    given["map.output"] = given["map.output"] or "maps"
    given |= {setting: values[name] for name, setting, *_ in OTHERS if values[name] is not None}
    if given["engine.precision"] in PRECISIONS:  # formats of PyTorch by the names of training
        given["precision"] = given.pop("engine.precision")
    with log_to_stderr(), _named_as_options(), ignore_missing_georeference():
        settings = update_settings(default_settings(), given)
        keep_freed_memory()
        try:
            job = map_job_from_settings(settings, frozenset(given), Path(given["map.output"]))
            reports = map_scenes(job, step_progress)
        except KeyboardInterrupt:
            typer.echo("stopped; run the same command again to continue", err=True)
            raise
        if values["json"]:
            typer.echo(reports_json(reports))
        else:
            print_areas(reports)
        report_maps(reports)


@contextmanager
def _named_as_options() -> Iterator[None]:
    """Call settings of other groups in messages of errors as the options are called."""
    try:
        yield
    except InstaGeoError as error:
        sentence = str(error)
        for name, setting, *_ in OTHERS:
            sentence = re.sub(rf"(?<![\w./]){re.escape(setting)}(?=[=:])", name, sentence)
        if sentence == str(error):
            raise
        raise ConfigError(sentence) from error


def _option(entry: Field[Any]) -> inspect.Parameter:
    """Return the option of a setting; lists are repeated options, or names with commas between them."""
    text = entry.metadata["help"].replace("null: ", "by default ").replace("[]: ", "by default ").removeprefix("true: ")
    text = _sentence(text)
    if entry.type is bool:
        return _parameter(entry.name, Annotated[bool, typer.Option(_flag(entry.name), help=text)], False)
    if _is_list(entry):
        name = NAMES.get(entry.name)
        if name is None:
            return _parameter(entry.name, Annotated[str, typer.Option(_flag(entry.name), help=text)], "")
        repeated = typer.Option(_flag(name), help=f"{text} Repeat for several.")
        return _parameter(entry.name, Annotated[list[str] | None, repeated], None)
    flags = (_flag(entry.name), "-o") if entry.name == "output" else (_flag(entry.name),)
    default = None if entry.default is MISSING else entry.default
    return _parameter(entry.name, Annotated[entry.type, typer.Option(*flags, help=text)], default)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _is_list(entry: Field[Any]) -> bool:
    return typing.get_origin(entry.type) is list


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


map_command = make_map_command()
