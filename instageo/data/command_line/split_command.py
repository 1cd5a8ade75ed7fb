"""The command `instageo split`."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.table import Table

from instageo.data.command_line.module_command import run_module
from instageo.data.command_line.settings_command import settings_command
from instageo.data.split_settings import FOLDED, SplitSettings
from instageo.raster.gdal_log import ignore_missing_georeference
from instageo.runtime.progress import log_to_stderr

DESCRIPTION = """Split a table of chips into train, val and test, and prove what they do not share.

Examples: instageo split chips.csv --by blocks --shares 70,15,15 --buffer-km 10

instageo split --verify train.csv val.csv test.csv
"""


def run_split(settings: SplitSettings) -> int:
    """Split a table, or verify a split, and return the exit status."""
    with ignore_missing_georeference():  # the report says it of all chips
        return _verify(settings) if settings.verify else _split(settings)


def _split(settings: SplitSettings) -> int:
    from instageo.data.table_splitting import split_table

    with log_to_stderr(), _without_garbage_collection():
        reports = split_table(settings)
    for report in reports:
        name = f"{report.folder.name}: " if settings.by in FOLDED else ""
        typer.echo(f"{name}{report.summary()}")
        for item in report.guarantees:
            if item.name.startswith("distance") and item.found:
                typer.echo(f"  {item.name}: {item.found}")
    for note in dict.fromkeys(note for report in reports for note in report.notes):
        typer.echo(f"note: {note}")
    folders = reports[0].folder if len(reports) == 1 else f"{reports[0].folder} … {reports[-1].folder.name}"
    typer.echo(f"wrote {folders}")
    return 0


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Look for no cycles: rows of a large table are millions of objects without any, and each search takes long."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _verify(settings: SplitSettings) -> int:
    from instageo.data.split_report.verification import verify_split

    with log_to_stderr():
        guarantees = verify_split(settings)
    words = {True: "holds", False: "does not hold", None: "–"}
    table = Table("", "guarantee", "expected", "found", box=None, pad_edge=False)
    for item in guarantees:
        table.add_row(words[item.holds], item.name, item.expected or "–", item.found)
    Console(width=None if Console().is_terminal else 200).print(table)
    broken = sum(item.holds is False for item in guarantees)
    checked = sum(item.holds is not None for item in guarantees)
    typer.echo(f"{checked - broken} of {checked} guarantees hold")
    return 1 if broken else 0


split_command = settings_command(run_split, SplitSettings, DESCRIPTION)


def run_split_module(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the flags of the module, and return its status."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(split_command)
    return run_module(app, "", SplitSettings, arguments)
