"""The commands `instageo chips points|raster|plan`."""

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer

from instageo.data.chip_settings import ChipSettings
from instageo.data.options import chip_command, modern_arguments
from instageo.errors import InstaGeoError
from instageo.extras import required_by
from instageo.files import describe_os_error
from instageo.runtime.progress import log_to_stderr
from instageo.runtime.streams import accept_any_text
from instageo.runtime.termination import TERMINATED, interrupt_on_sigterm

if TYPE_CHECKING:
    from instageo.data.output.tables import ChipReport

EXTRAS = "data"

PACKAGES = ("filelock", "pystac_client", "scipy", "shapely")

FORMER_DEFAULTS = ("--chip_size=256", "--num_steps=3", "--shift_to_month_start=true", "--min_count=100")
"""Defaults of the module commands where they differ from those of `instageo chips`."""

app = typer.Typer(no_args_is_help=True, help="Make chips of satellite images from points, or from maps of labels.")


def _points(settings: ChipSettings) -> int:
    with required_by("instageo chips", EXTRAS):
        _check_packages()
        from instageo.data.chip_creation import create_chips
    return _report(create_chips, settings)


def _raster(settings: ChipSettings) -> int:
    with required_by("instageo chips", EXTRAS):
        _check_packages()
        from instageo.data.chip_creation import create_raster_chips
    return _report(create_raster_chips, settings)


SKIPPED = "skipped.csv"


def _report(make: Callable[[ChipSettings], "ChipReport"], settings: ChipSettings) -> int:
    with log_to_stderr():
        try:
            report = make(settings)
        except KeyboardInterrupt:
            typer.echo("stopped; the same command with --resume goes on with the chips that are missing", err=True)
            raise
    typer.echo(report.summary())
    typer.echo(f"wrote {report.table}")
    if report.skipped:
        typer.echo(f"the reason of each skipped observation is in {report.folder / SKIPPED}")
    return report.exit_status


def _plan(settings: ChipSettings) -> int:
    with required_by("instageo chips", EXTRAS):
        _check_packages()
        from instageo.data.chip_creation import plan_chips
    with log_to_stderr():
        report = plan_chips(settings)
    for line in report.lines():
        typer.echo(line)
    return 0


def _check_packages() -> None:
    """Raise ModuleNotFoundError unless all packages are installed that are imported only where they are needed."""
    for name in PACKAGES:
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


app.command("points")(
    chip_command(
        _points, "Make a chip for each place and date of a table.", input_name="POINTS",
        input_help="Table (.csv, .json or .parquet) with lat, lon (or x, y), date and label.",
    )
)  # fmt: skip
app.command("raster")(
    chip_command(
        _raster, "Make chips where label rasters, or polygons, have labels.", input_name="LABELS",
        input_help="Raster, folder of rasters, polygons, or the folder that --records starts from.",
    )
)  # fmt: skip
app.command("plan")(
    chip_command(
        _plan, "Search and match, and print chips, requests and MB; reads no pixel.", input_name="POINTS|LABELS",
        input_help="As of the other commands.",
    )
)  # fmt: skip


def run_module(command: str, arguments: Sequence[str]) -> int:
    """Run a command with the flags of the module commands, show errors as one sentence, and return its status."""
    accept_any_text()
    with interrupt_on_sigterm() as termination:
        try:
            app([command, *modern_arguments([*FORMER_DEFAULTS, *arguments])], prog_name=f"instageo.data.{command}")
        except (InstaGeoError, OSError) as error:
            sentence = describe_os_error(error) if isinstance(error, OSError) else str(error)
            sys.stderr.write(f"error: {sentence}\n")
            return 1
        except SystemExit as end:
            return TERMINATED if termination.received else int(end.code or 0)
    return 0
