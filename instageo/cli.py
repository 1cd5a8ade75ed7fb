"""The `instageo` command."""

import sys
import traceback
from json import dumps
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from instageo.area_maps.map_command import map_command
from instageo.data.command_line.chip_commands import app as chips_app
from instageo.data.command_line.clean_command import clean_command
from instageo.data.command_line.split_command import split_command
from instageo.errors import InstaGeoError
from instageo.extras import required_by
from instageo.files import describe_os_error
from instageo.model.commands.registry import app as registry_app
from instageo.model.exports.export_command import export_command
from instageo.model.run import EXTRAS
from instageo.model.run import main as run_main
from instageo.recipes.commands import app as recipe_app
from instageo.runtime.progress import log_to_stderr
from instageo.runtime.quick_exit import run_program
from instageo.runtime.streams import accept_any_text
from instageo.runtime.termination import TERMINATED, interrupt_on_sigterm
from instageo.runtime.usage_errors import PlainErrorGroup
from instageo.version import __version__
from instageo.wording import counted

COMMANDS = (
    "demo", "chips", "table", "clean", "split", "check", "run", "map", "export", "cv", "models", "distill-report",
    "recipe", "registry", "bench", "serve", "version",
)  # fmt: skip
"""Every command in the order of use, for `--help`."""


class CommandsInOrderOfUse(PlainErrorGroup):
    """The command `instageo`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands in the order of `COMMANDS`."""
        return sorted(super().list_commands(ctx), key=COMMANDS.index)


app = typer.Typer(
    cls=CommandsInOrderOfUse,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Fine-tune Prithvi geospatial foundation models on satellite chips and turn imagery into maps.\n\n"
    "Start with [bold]instageo demo[/bold]: it trains, scores and maps a real scene in minutes and shows every command "
    "it uses. Then process your own data with [bold]instageo run[/bold].",
)
app.add_typer(registry_app, name="registry")
app.add_typer(chips_app, name="chips")
app.command("split")(split_command)
app.command("clean")(clean_command)
app.command("map")(map_command)
app.command("export")(export_command)
app.add_typer(recipe_app, name="recipe")

RUN_HELP = """Train, score, predict, and more: [bold]instageo run mode=… key=value …[/bold]

The same as [bold]python -m instageo.model.run[/bold]. Typical calls:

  instageo run mode=stats root_dir=DATA train_filepath=train.csv

  instageo run mode=show_batch root_dir=DATA train_filepath=train.csv

  instageo run root_dir=DATA train_filepath=train.csv valid_filepath=val.csv train.num_epochs=20

  instageo run mode=eval root_dir=DATA test_filepath=test.csv checkpoint_path=RUN/instageo_best_checkpoint.ckpt

  instageo run mode=chip_inference root_dir=DATA test_filepath=test.csv checkpoint_path=…

[bold]instageo run --cfg job[/bold] lists every setting with its value; [bold]--config-name=sen1floods11[/bold] uses a
preset; [bold]--debug[/bold] shows tracebacks."""


@app.callback()
def options(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of errors; anywhere in a command.")
    ] = False,
) -> None:
    """Keep what holds for all commands for those that show errors themselves."""
    context.obj = ["--debug"] if debug else []


@app.command("run", help=RUN_HELP, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run_command(context: typer.Context) -> None:
    """Pass all arguments to `instageo.model.run`."""
    raise typer.Exit(run_main([*context.args, *(context.obj or [])]))


@app.command("check", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def check_command(
    context: typer.Context,
    table: Annotated[
        str, typer.Argument(help="Table of chips (path or URL). Further arguments are settings, key=value.")
    ],
) -> None:
    """Check every chip and label of a table.

    Example: instageo check train.csv model.num_classes=3 dataloader.temporal_dim=2

    Paths in the table are relative to the table's folder unless root_dir=… is given.
    """
    settings = ["mode=check", f"test_filepath={table}"]
    if not any(argument.startswith("root_dir=") for argument in context.args):
        settings.append(f"root_dir={table.rpartition('/')[0] or '.'}")
    raise typer.Exit(run_main([*settings, *context.args, *(context.obj or [])], program="instageo check"))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Output folder.")] = Path("demo_output"),
    epochs: Annotated[int, typer.Option(min=1, help="Number of training epochs.")] = 60,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same scores.")] = 42,
) -> None:
    """Train, score and map a real Landsat scene that comes with the program; needs no internet."""
    with required_by("instageo demo", f"{EXTRAS},data"):
        import shapely  # noqa: F401

        import instageo.model.hydra_job  # what its commands need, before the first of them begins
        import instageo.model.inference.predictor  # noqa: F401
        from instageo.demo.workflow import run_demo

    run_demo(folder, epochs=epochs, seed=seed)


@app.command()
def table(
    layout: Annotated[
        str,
        typer.Argument(
            help="Data set: sen1floods11, sen1floods11_s1, hls_crops, hls_burn_scars; published: it brings tables."
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="Folder of the data set; use it as root_dir.")],
    output: Annotated[Path | None, typer.Option(help="Output folder of the tables; by default FOLDER.")] = None,
) -> None:
    """Make tables from the folder of a public data set, and show the command that trains on them."""
    from instageo.data.public_datasets import SKIPPED, find_tables, training_command, write_tables
    from instageo.data.published_tables import PUBLISHED, published_dataset

    dataset = published_dataset(folder) if layout == PUBLISHED else find_tables(layout, folder)
    paths = write_tables(dataset, output or folder)
    for line in (dataset.summary(), *dataset.notes, *(f"wrote {path}" for path in paths)):
        typer.echo(line)
    tables = {path.stem: path for path in paths if path.stem != SKIPPED}
    typer.echo(f"next:\n  {training_command(layout, folder, tables)}")


@app.command()
def models(
    img_size: Annotated[int, typer.Option(min=1, help="Side of a square chip, pixels.")] = 224,
    temporal_dim: Annotated[int, typer.Option(min=1, help="Number of dates per chip.")] = 1,
    head: Annotated[str, typer.Option(help="Head, as in model.head; see docs/models.md.")] = "light",
    num_classes: Annotated[int, typer.Option(min=1, help="Number of classes.")] = 2,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """List the networks and the presets of model.size with parameters, GFLOPs, memory and weights."""
    with required_by("instageo models", EXTRAS):
        from instageo.model.commands.models import list_sizes, list_variants, print_models

        records = list_variants(img_size=img_size, temporal_dim=temporal_dim, head=head, num_classes=num_classes)
        sizes = list_sizes(img_size=img_size, temporal_dim=temporal_dim, num_classes=num_classes)
        if json:
            typer.echo(dumps([*records, *sizes], indent=2))
        else:
            print_models(
                records, sizes, f"{img_size} x {img_size} pixels, {counted(temporal_dim, 'date')}, head {head}"
            )


@app.command("distill-report")
def distill_report_command(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Folders of training runs, or checkpoints.")],
    teacher: Annotated[
        str | None, typer.Option(help="Run of the teacher; by default the run that the others were distilled from.")
    ] = None,
    names: Annotated[str | None, typer.Option(help="Names of the runs in the report, in their order: 'A,B,C'.")] = None,
    table: Annotated[str | None, typer.Option(help="Evaluate all runs again on this table.")] = None,
    root_dir: Annotated[
        str | None, typer.Option(help="Folder that paths in the table start from; by default the table's folder.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Output folder of the report.")] = Path("distill_report"),
    batch_size: Annotated[int, typer.Option(min=1, help="Batch size for measuring chips/s.")] = 8,
    img_size: Annotated[
        int | None, typer.Option(min=1, help="Side of a chip, pixels; by default as in training.")
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=1, help="Single chips timed per network; batches: a quarter as many.")
    ] = 20,
    accelerator: Annotated[str, typer.Option(help="Device to time on: auto, cpu or gpu.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of tables.")] = False,
) -> None:
    """Compare a teacher and its students: size, speed and energy, and scores with their spread over seeds."""
    with required_by("instageo distill-report", EXTRAS):
        from instageo.model.commands.distill_report import ReportRequest, distill_report
        from instageo.model.runs.report import print_report, report_json

        chosen = [name.strip() for name in names.split(",")] if names else []
        request = ReportRequest(
            runs, teacher, chosen, table, root_dir, output, img_size, batch_size, repeats, accelerator
        )
        report = distill_report(request)
        if json:
            typer.echo(report_json(report))
        else:
            print_report(report)
            typer.echo(f"tables and figure are in {output}")


@app.command("cv", context_settings={"ignore_unknown_options": True})
def cv_command(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="FOLDS… key=value…",
            help="Folder that `instageo split --by kfold|region` wrote, or folders of folds; then settings of "
            "`instageo run`.",
        ),
    ],
    output: Annotated[Path, typer.Option(help="Output folder of the training runs and the report.")] = Path(
        "cross_validation"
    ),
    seeds: Annotated[str, typer.Option(help="Seeds to train each fold with: '1,2,3'.")] = "",
    jobs: Annotated[
        int, typer.Option(min=1, help="Training runs in parallel; they share the CPU cores and the GPU.")
    ] = 1,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of tables.")] = False,
) -> None:
    """Train and score a network on every fold, and report the scores: mean and deviation over folds, and pooled.

    Example: instageo cv folds train.num_epochs=20 model.num_classes=3 --seeds 1,2,3

    Run the same command again to continue after an interruption.
    """
    with required_by("instageo cv", EXTRAS):
        from instageo.model.commands.cross_validate import cross_validate, parse_request
        from instageo.model.cross_validation.report import print_report, report_json

        request = parse_request(arguments, output, seeds, jobs)
        with log_to_stderr():
            try:
                report = cross_validate(request)
            except KeyboardInterrupt:
                typer.echo("stopped; run the same command again to continue", err=True)
                raise
        if json:
            typer.echo(report_json(report))
        else:
            print_report(report)
            typer.echo(f"tables and figure are in {output}")


@app.command("bench")
def bench_command(
    model: Annotated[str, typer.Argument(help="Checkpoint, run folder, or registry:MODEL/SIZE.")],
    scene: Annotated[Path | None, typer.Option(help="Raster to measure on; by default a synthetic one.")] = None,
    tile: Annotated[int | None, typer.Option(help="Side of tiles, pixels; by default that of training.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of the network; by default all cores.")] = None,
    seconds: Annotated[float, typer.Option(help="Seconds for each measurement.")] = 3.0,
    price_per_hour: Annotated[float | None, typer.Option(help="Price of an hour of this machine.")] = None,
    resolution: Annotated[float, typer.Option(help="Pixel size of the synthetic scene, m.")] = 10.0,
    device: Annotated[str, typer.Option(help="Device: auto, cpu or cuda.")] = "auto",
    json: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file as JSON.")] = None,
) -> None:
    """Measure how fast this machine maps with a model, by backend and precision, and what a million km² cost."""
    with required_by("instageo bench", EXTRAS):
        from instageo.model.speed_test.run_speed_test import SpeedRequest, run_speed_test

    request = SpeedRequest(model, scene, tile, threads, seconds, price_per_hour, resolution, json, device)
    with log_to_stderr():
        run_speed_test(request)


AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(help="Further name of the server in requests, such as that of a proxy; *.DOMAIN for all below it."),
]
JobsFolder = Annotated[
    Path | None, typer.Option(help="Folder for maps of areas; enables them (/area and /v1/jobs; extra `data`).")
]
JobsLimits = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=NUMBER",
        help="Limit of maps of areas: area_km2 (50000), days (120), queue (20), per_client (5), running (1), "
        "hours (24), disk_gb (50), keep_days (30), memory_mb (1000).",
    ),
]
PrivateUrls = Annotated[
    bool,
    typer.Option("--allow-private-urls", help="With --allow-urls or --allow-catalog-urls: also private addresses."),
]
CatalogUrls = Annotated[
    bool, typer.Option("--allow-catalog-urls", help="With --jobs-dir: allow requests to name catalogues by URL.")
]


@app.command("serve")
def serve_command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL…",
            help="[NAME=]SOURCE, where SOURCE is a checkpoint, a run folder or registry:MODEL/SIZE[@VERSION].",
        ),
    ],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all interfaces.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    replicas: Annotated[int, typer.Option(help="Maximum number of processes with networks (replicas).")] = 1,
    max_models: Annotated[int, typer.Option(help="Maximum number of models loaded per replica.")] = 3,
    batch_tiles: Annotated[int, typer.Option(help="Maximum number of tiles per forward pass.")] = 16,
    backend: Annotated[str, typer.Option(help="Runtime: auto, torch, openvino or onnxruntime.")] = "auto",
    precision: Annotated[str, typer.Option(help="Number format: auto, f32, bf16 or int8.")] = "auto",
    samples: Annotated[Path | None, typer.Option(help="Folder of sample images shown on the page.")] = None,
    upload_mb: Annotated[int, typer.Option(help="Maximum size of a request, MB.")] = 256,
    megapixels: Annotated[int, typer.Option(help="Maximum size of an image, megapixels.")] = 100,
    memory_mb: Annotated[int, typer.Option(help="Memory for images of all requests, MB; others wait.")] = 4000,
    max_concurrency: Annotated[int, typer.Option(help="Maximum number of concurrent requests, then HTTP 429.")] = 64,
    results_mb: Annotated[int, typer.Option(help="Disk space for the newest results of the page, MB.")] = 1000,
    timeout_s: Annotated[int, typer.Option(help="Seconds after which a request ends with HTTP 503.")] = 300,
    allow_urls: Annotated[bool, typer.Option("--allow-urls", help="Allow requests to name images by URL.")] = False,
    allow_private_urls: PrivateUrls = False,
    allowed_hosts: AllowedHosts = None,
    jobs_dir: JobsFolder = None,
    jobs_limit: JobsLimits = None,
    allow_catalog_urls: CatalogUrls = False,
    waiting: Annotated[int | None, typer.Option(hidden=True, help="Former name of --max-concurrency.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Address of a running Ray cluster; by default Ray is started here.")
    ] = None,
    emit_config: Annotated[
        Path | None, typer.Option(help="Write a configuration for `serve deploy` to this file instead of serving.")
    ] = None,
) -> None:
    """Serve models over HTTP: an API, and a page to try them.

    If $INSTAGEO_SERVE_TOKEN is set, clients must send it as a bearer token.
    """
    from instageo.model.commands.serve import ListenAddress, name_models, serve
    from instageo.serving.jobs.settings import job_settings_from_options
    from instageo.serving.settings import RequestLimits, ServerSettings

    limits = RequestLimits(
        upload_mb=upload_mb, megapixels=megapixels, memory_mb=memory_mb,
        max_concurrency=max_concurrency if waiting is None else waiting, results_mb=results_mb,
        timeout_s=timeout_s, allow_urls=allow_urls, allow_private_urls=allow_private_urls,
        allowed_hosts=tuple(allowed_hosts or ()),
    )  # fmt: skip
    settings = ServerSettings(
        models=name_models(sources), max_models=max_models, replicas=replicas, batch_tiles=batch_tiles, limits=limits,
        samples=str(samples.expanduser().absolute()) if samples else None, backend=backend, precision=precision,
        jobs=job_settings_from_options(jobs_dir, jobs_limit or [], allow_urls=allow_catalog_urls,
                                       allow_private=allow_private_urls),
    )  # fmt: skip
    serve(settings, ListenAddress(host, port, address), emit_config)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command line; show errors as one sentence."""
    accept_any_text()
    debug = ["--debug"] if "--debug" in sys.argv[1:] else []
    with interrupt_on_sigterm() as termination:
        try:
            app([*debug, *(argument for argument in sys.argv[1:] if argument != "--debug")])
        except (InstaGeoError, OSError) as error:
            if debug:
                traceback.print_exc()
            sentence = describe_os_error(error) if isinstance(error, OSError) else str(error)
            sys.stderr.write(f"error: {sentence}\n")
            sys.exit(1)
        except SystemExit as end:
            sys.exit(TERMINATED if termination.received else end.code)


def program() -> NoReturn:
    """Run the command line as a program of its own."""
    run_program(main)


if __name__ == "__main__":
    program()
