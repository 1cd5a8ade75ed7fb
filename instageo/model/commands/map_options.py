"""Options of `instageo map` from the settings of the group `map`, and the maps of scenes that they name."""

import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instageo.errors import ConfigError, InstaGeoError
from instageo.extras import required_by
from instageo.model.settings.map_settings import MapSettings
from instageo.model.settings.run_settings import PRECISIONS
from instageo.raster.gdal_log import ignore_missing_georeference
from instageo.runtime.progress import log_to_stderr, step_progress
from instageo.wording import option_flag

if TYPE_CHECKING:
    from instageo.model.settings import Settings

EXTRAS = "model,cpu"
"""Extras that the command needs."""

NAMES = {"band_files": "band", "dates": "date", "members": "member"}
"""Names of options that are repeated for several values, by setting."""

SCENES = (
    "Raster or URL, folder or archive of a product (HLS, Sentinel-2, Landsat), folder of rasters, or table. For "
    "several dates: one raster with all of them, or one of each date."
)

OTHERS: tuple[tuple[str, str, Any, Any, str], ...] = (
    ("tile", "test.crop_size", int | None, None, "side of tiles, pixels; by default that of training"),
    ("overlap", "test.overlap", int | None, None, "pixels that tiles share; by default a sixteenth, at least 16"),
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


def map_parameters() -> list[inspect.Parameter]:
    """Return the arguments and options that a model and its maps have, for Typer."""
    model = Annotated[str, typer.Argument(help="Checkpoint, run folder, or name in the registry, registry:MODEL/SIZE.")]
    scenes = Annotated[list[str] | None, typer.Argument(metavar="SCENE…", help=SCENES)]
    parameters = [make_parameter("model", model), make_parameter("scenes", scenes, None)]
    for entry in fields(MapSettings):
        if entry.name != "scenes":
            parameters.append(_option(entry))
    for name, _, kind, default, text in OTHERS:
        parameters.append(
            make_parameter(name, Annotated[kind, typer.Option(option_flag(name), help=_sentence(text))], default)
        )
    as_json = Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")]
    parameters.append(make_parameter("json", as_json, False))
    return parameters


def make_command(
    run: Callable[[dict[str, Any]], None], parameters: Sequence[inspect.Parameter], description: str
) -> Callable[..., None]:
    """Return a function for Typer that calls `run` with the values of parameters, by name."""

    def command(**values: Any) -> None:
        run(values)

    command.__doc__ = description
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def settings_of(values: Mapping[str, Any]) -> tuple["Settings", frozenset[str]]:
    """Return the settings that options stand for, and the keys that they set.

    Raises:
        ConfigError: An option has a wrong value.
    """
    from instageo.model.settings.compose import default_settings, update_settings

    for name in ("num_workers", "address"):
        if values[name] is not None and values["engine"] != "ray":
            raise ConfigError(f"{option_flag(name)}: is for worker processes; add --engine ray, or leave it out")
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
    return update_settings(default_settings(), given), frozenset(given)


@contextmanager
def running_map() -> Iterator[None]:
    """Log on stderr in this block; errors name settings as options, and an interruption says how to go on."""
    with log_to_stderr(), _named_as_options(), ignore_missing_georeference():
        try:
            yield
        except KeyboardInterrupt:
            typer.echo("stopped; run the same command again to continue", err=True)
            raise


def map_scenes_by_options(values: Mapping[str, Any]) -> None:
    """Map the scenes that options name."""
    with required_by("instageo map", EXTRAS):
        from instageo.model.commands.map_scenes import print_areas, report_maps, reports_json
        from instageo.model.map_jobs.from_settings import map_job_from_settings
        from instageo.model.map_jobs.map_scenes import map_scenes
        from instageo.model.networks.memory import keep_freed_memory

    with running_map():
        settings, given = settings_of(values)
        keep_freed_memory()
        job = map_job_from_settings(settings, given, Path(str(settings.map.output)))
        reports = map_scenes(job, step_progress)
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
        return make_parameter(entry.name, Annotated[bool, typer.Option(option_flag(entry.name), help=text)], False)
    if _is_list(entry):
        name = NAMES.get(entry.name)
        if name is None:
            return make_parameter(entry.name, Annotated[str, typer.Option(option_flag(entry.name), help=text)], "")
        repeated = typer.Option(option_flag(name), help=f"{text} Repeat for several.")
        return make_parameter(entry.name, Annotated[list[str] | None, repeated], None)
    flags = (option_flag(entry.name), "-o") if entry.name == "output" else (option_flag(entry.name),)
    default = None if entry.default is MISSING else entry.default
    return make_parameter(entry.name, Annotated[entry.type, typer.Option(*flags, help=text)], default)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _is_list(entry: Field[Any]) -> bool:
    return typing.get_origin(entry.type) is list


def make_parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    """Return an argument or option of a command."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
