"""The commands `instageo chips points|raster|plan`."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer

from instageo.data.chip_settings import ChipSettings
from instageo.data.command_line.former_flags import FormerFlags
from instageo.data.command_line.module_command import run_module
from instageo.data.command_line.settings_command import settings_command
from instageo.extras import required_by
from instageo.runtime.progress import log_to_stderr

if TYPE_CHECKING:
    from instageo.data.output.tables import ChipReport

EXTRAS = "data"

PACKAGES = ("filelock", "pystac_client", "scipy", "shapely")

FORMER = FormerFlags(
    defaults=("--chip_size=256", "--num_steps=3", "--shift_to_month_start=true", "--min_count=100"),
    switches={"is_time_series_task": lambda is_set: f"--when={'before' if is_set else 'around'}"},
    without_effect={
        "processing_method": "windows of the files are read remotely; no whole file is downloaded",
        "spatial_resolution": "chips have the pixels of the images; labels are brought onto them",
        "qa_check": "images without data in a chip are always left out; --min-valid and --min-clear ask for more",
    },
    switches_without_effect=("qa_check",),
)
"""Flags of `python -m instageo.data.chip_creator` that are no options of `instageo chips`."""

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
    settings_command(_points, ChipSettings, "Make a chip for each place and date of a table.", required=("output",))
)
app.command("raster")(
    settings_command(
        _raster,
        ChipSettings,
        "Make chips where label rasters, or polygons, have labels.",
        arguments={
            "input": ("LABELS", "Raster, folder of rasters, polygons, or the folder that --records starts from.")
        },
        required=("output",),
    )
)
app.command("plan")(
    settings_command(
        _plan,
        ChipSettings,
        "Search and match, and print chips, requests and MB; reads no pixel.",
        arguments={"input": ("POINTS|LABELS", "As of the other commands.")},
    )
)


def run_chip_module(command: str, arguments: Sequence[str] | None = None) -> int:
    """Run `points` or `raster` with the flags of the module commands, and return its status."""
    return run_module(app, command, ChipSettings, arguments, FORMER)
