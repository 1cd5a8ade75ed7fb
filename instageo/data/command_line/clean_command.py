"""The command `instageo clean`."""

from importlib.util import find_spec

import typer

from instageo.data.cleaning.clean_settings import CleanSettings
from instageo.data.command_line.settings_command import settings_command
from instageo.extras import required_by
from instageo.raster.gdal_log import ignore_missing_georeference
from instageo.runtime.progress import log_to_stderr

EXTRAS = "data"

PACKAGES = ("scipy", "shapely", "matplotlib")

DESCRIPTION = """Check every chip of a table, and report what is wrong with it.

Example: instageo clean chips/chips.csv --drop

Chips and the table stay as they are: findings are written to TABLE_clean/clean.csv with a report, groups of chips that
belong together to TABLE_groups.csv, and with --drop the table without bad chips to TABLE_clean.csv."""


def _run(settings: CleanSettings) -> int:
    with required_by("instageo clean", EXTRAS):
        for name in PACKAGES:
            if find_spec(name) is None:
                raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        from instageo.data.cleaning.table_cleaning import clean_table
    with log_to_stderr(), ignore_missing_georeference():
        report = clean_table(settings)
    typer.echo(report.summary())
    for remark in report.remarks:
        typer.echo(f"note: {remark}")
    for path in report.files.values():
        typer.echo(f"wrote {path}")
    return 0


clean_command = settings_command(_run, CleanSettings, DESCRIPTION)

app = typer.Typer(add_completion=False)
app.command("clean")(clean_command)
