"""Commands of a preparation: the only ones that a recipe can name."""

import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import typer

from instageo.data.catalogs.catalogs import CATALOGS
from instageo.data.chip_settings import ChipSettings
from instageo.data.public_datasets import LAYOUTS
from instageo.data.published_tables import PUBLISHED
from instageo.errors import ConfigError
from instageo.recipes.definition.recipe import RecipeError, Step
from instageo.recipes.definition.values import check_keys, mapping, path_below, text
from instageo.recipes.preparation.dated_labels import DatedLabels, link_dated_labels
from instageo.recipes.preparation.unpacking import unpack_archive
from instageo.wording import option_flag

SPLIT_OPTIONS = (
    "by", "shares", "buffer_km", "block_km", "clusters", "column", "until", "gap_days", "balance", "stable", "seed",
)  # fmt: skip
"""Options of `instageo split` that a recipe may have."""

NOT_FOR_CHIPS = ("resume", "input", "output", "threads", "memory_mb", "records")

"""Options of `instageo chips` that a recipe may not have, or has under another name."""

UNREADABLE = 3
"""Exit status of `instageo chips` if files could not be read."""


CallCommand = Callable[[Sequence[str]], int]
"""Runs a command of the program with these arguments in this process, and returns its exit status."""


@dataclass(frozen=True)
class StepContext:
    """Where a step runs.

    Attributes:
        folder: Folder of the recipe.
        recipe_file: File of the recipe; tables of classes lie next to it.
        catalog: Catalogue that replaces the one of the recipe.
        call: Runs commands; by default none, for a context in which they are only shown.
    """

    folder: Path
    recipe_file: Path
    catalog: str | None = None
    call: CallCommand = lambda _: 0


@dataclass(frozen=True)
class StepKind:
    """A kind of step.

    Attributes:
        check: Raises an error if the options, which come from a recipe, are not what is expected.
        commands: Returns the commands as a user types them.
        run: Does the work.
    """

    check: Callable[[Mapping[str, Any], str], None]
    commands: Callable[[Mapping[str, Any], StepContext], list[str]]
    run: Callable[[Mapping[str, Any], StepContext], None]


def step_commands(step: Step, context: StepContext) -> list[str]:
    """Return the commands of a step as a user types them."""
    return STEPS[step.kind].commands(step.options, context)


def run_step(step: Step, context: StepContext) -> None:
    """Show the commands of a step, and run it.

    Raises:
        RecipeError: The command failed.
        InstaGeoError: A file cannot be unpacked.
    """
    for command in step_commands(step, context):
        typer.echo(f"$ {command}", err=True)
    STEPS[step.kind].run(step.options, context)


def step_digest(step: Step) -> str:
    """Return a hash of a step, which identifies a finished one."""
    return sha256(json.dumps([step.kind, step.options], sort_keys=True, default=str).encode()).hexdigest()


def _check_table(options: Mapping[str, Any], where: str) -> None:
    check_keys(options, where, ("layout",), ("layout",))
    layouts = (*LAYOUTS, PUBLISHED)
    if options["layout"] not in layouts:
        raise RecipeError(f"{where}.layout is '{options['layout']}'; expected one of {', '.join(layouts)}")


def _table_command(options: Mapping[str, Any], context: StepContext) -> list[str]:
    return ["instageo", "table", str(options["layout"]), str(context.folder)]


def _check_chips(options: Mapping[str, Any], where: str) -> None:
    chip_options = [name for name in ChipSettings.__dataclass_fields__ if name not in NOT_FOR_CHIPS]
    check_keys(options, where, ["command", "input", "output", *chip_options], ("command", "input", "output"))
    if options["command"] not in ("points", "raster"):
        raise RecipeError(f"{where}.command is '{options['command']}'; expected points or raster")
    for name in ("input", "output"):
        path_below(options[name], f"{where}.{name}")
    if "class_map" in options:
        path_below(options["class_map"], f"{where}.class_map")
    if options.get("catalog") not in (None, *CATALOGS):
        raise RecipeError(f"{where}.catalog is '{options['catalog']}'; expected one of {', '.join(CATALOGS)}")
    values = {name: value for name, value in options.items() if name in chip_options}
    try:
        ChipSettings("input", "output", **{name: _field_value(value) for name, value in values.items()})
    except (ConfigError, TypeError) as error:
        raise RecipeError(f"{where}: {error}") from error


def _field_value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else str(value) if hasattr(value, "isoformat") else value


def _chips_command(options: Mapping[str, Any], context: StepContext) -> list[str]:
    own = ("command", "input", "output", "class_map", "catalog")
    flags = [_flag(name, value) for name, value in options.items() if name not in own]
    if "class_map" in options:
        flags.append(f"--class-map={context.recipe_file.parent / options['class_map']}")
    if catalog := context.catalog or options.get("catalog"):
        flags.append(f"--catalog={catalog}")
    output = context.folder / options["output"]
    begun = ["--resume"] if (output / "settings.json").is_file() else []
    source = str(context.folder / options["input"])
    return ["instageo", "chips", str(options["command"]), source, f"--output={output}", *flags, *begun]


def _flag(name: str, value: object) -> str:
    option = option_flag(name)
    if isinstance(value, bool):
        return option if value else f"--no-{option[2:]}"
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if isinstance(value, Mapping):
        value = ",".join(f"{key}={part}" for key, part in value.items())
    return f"{option}={value}"


def _check_split(options: Mapping[str, Any], where: str) -> None:
    check_keys(options, where, ("table", *SPLIT_OPTIONS), ("table", "by"))
    path_below(options["table"], f"{where}.table")


def _split_command(options: Mapping[str, Any], context: StepContext) -> list[str]:
    table = context.folder / options["table"]
    flags = [_flag(name, value) for name, value in options.items() if name != "table"]
    return ["instageo", "split", str(table), *flags, f"--output={table.parent}"]


def _check_unpack(options: Mapping[str, Any], where: str) -> None:
    check_keys(options, where, ("archive", "to"), ("archive",))
    for name, path in options.items():
        path_below(path, f"{where}.{name}")


def _unpack_commands(options: Mapping[str, Any], context: StepContext) -> list[str]:
    archive, to = str(context.folder / options["archive"]), str(context.folder / options.get("to", "."))
    return [shlex.join(["unzip", archive, "-d", to] if archive.endswith(".zip") else ["tar", "-xf", archive, "-C", to])]


def _unpack(options: Mapping[str, Any], context: StepContext) -> None:
    unpack_archive(context.folder / options["archive"], context.folder / options.get("to", "."))


def _check_dated_labels(options: Mapping[str, Any], where: str) -> None:
    check_keys(options, where, ("labels", "to", "days"), ("labels", "to", "days"))
    for name in ("labels", "to"):
        path_below(options[name], f"{where}.{name}")
    for key, day in mapping(options["days"], f"{where}.days", "a day for each beginning of a name").items():
        if not re.fullmatch(r"[\w-]+", key):
            raise RecipeError(f"{where}.days has the name '{key}'; expected letters, digits, '-' and '_'")
        DatedLabels.check_day(day, f"{where}.days.{key}")


def _dated_labels(options: Mapping[str, Any]) -> DatedLabels:
    days = {str(key): str(day) for key, day in options["days"].items()}
    return DatedLabels(text(options["labels"], "labels"), text(options["to"], "to"), days)


def _dated_labels_commands(options: Mapping[str, Any], context: StepContext) -> list[str]:
    labels = _dated_labels(options)
    source, target = (shlex.quote(str(context.folder / folder)) for folder in (labels.labels, labels.to))
    loops = []
    for event, day in labels.days.items():
        name = f'"$(basename "${{f%.tif}}")_{day.replace("-", "")}.tif"'
        loops.append(f'for f in {source}/{event}_*.tif; do ln "$f" {target}/{name}; done')
    return [f"mkdir -p {target}", *loops]


def _run_dated_labels(options: Mapping[str, Any], context: StepContext) -> None:
    link_dated_labels(_dated_labels(options), context.folder)


def _program_step(
    check: Callable[[Mapping[str, Any], str], None], words: Callable[[Mapping[str, Any], StepContext], list[str]]
) -> StepKind:
    """Return a kind of step that is a command of the program; its output goes to stderr."""

    def run(options: Mapping[str, Any], context: StepContext) -> None:
        arguments = words(options, context)[1:]
        with redirect_stdout(sys.stderr):
            status = context.call(arguments)
        if status == UNREADABLE and arguments[0] == "chips":
            typer.echo("warning: some files could not be read, and their chips are missing", err=True)
        elif status:
            command = shlex.join(words(options, context))
            raise RecipeError(f"the preparation stopped: {command} ended with status {status}; see above")

    return StepKind(check, lambda options, context: [shlex.join(words(options, context))], run)


STEPS = {
    "unpack": StepKind(_check_unpack, _unpack_commands, _unpack),
    "dated_labels": StepKind(_check_dated_labels, _dated_labels_commands, _run_dated_labels),
    "table": _program_step(_check_table, _table_command),
    "chips": _program_step(_check_chips, _chips_command),
    "split": _program_step(_check_split, _split_command),
}
"""Kinds of steps by name."""
