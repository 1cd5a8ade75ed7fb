"""The commands `instageo recipe list|show|prepare|run`."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from instageo.extras import required_by

READING, PREPARING, RUNNING = "registry", "data,registry", "model,cpu,data,registry"
"""Extras that the commands need."""

app = typer.Typer(
    no_args_is_help=True,
    help="Reproduce published results: download the data, make tables, train, and compare the scores.",
)

RecipeName = Annotated[str, typer.Argument(metavar="NAME", help="Name of a recipe, or the path of a YAML file.")]
Folder = Annotated[Path, typer.Option(help="Folder for data, tables and runs.")]
OriginName = Annotated[
    str | None,
    typer.Option("--chips", metavar="published|rebuilt", help="Chips as published, or rebuilt from satellite images."),
]


@app.command("list")
def list_command(
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List the recipes with their data and published figures."""
    with required_by("instageo recipe", READING):
        from instageo.recipes.describe import print_recipes

    print_recipes(as_json=json)


@app.command("show")
def show_command(name: RecipeName, folder: Folder = Path("DIR"), chips: OriginName = None) -> None:
    """Show all that a recipe says, and the commands that do the same by hand."""
    with required_by("instageo recipe", READING):
        from instageo.recipes.definition.shipped import open_recipe
        from instageo.recipes.describe import describe_recipe

    for line in describe_recipe(open_recipe(name), folder, chips):
        typer.echo(line)


@app.command("prepare")
def prepare_command(
    context: typer.Context,
    name: RecipeName,
    folder: Folder,
    chips: OriginName = None,
    catalog: Annotated[
        str | None, typer.Option(help="For rebuilt chips: planetary, lpdaac, …, a STAC API, or items.json.")
    ] = None,
) -> None:
    """Download the data of a recipe and make its tables.

    Run the same command again to continue after an interruption: files that are complete are not downloaded again.
    """
    with required_by("instageo recipe prepare", PREPARING):
        from instageo.recipes.definition.shipped import open_recipe
        from instageo.recipes.preparation.prepare import prepare_recipe

    program = context.find_root().command

    def call(arguments: Sequence[str]) -> int:
        return program.main(list(arguments), prog_name="instageo", standalone_mode=False) or 0

    try:
        prepare_recipe(open_recipe(name), folder, call, origin=chips, catalog=catalog)
    except KeyboardInterrupt:
        typer.echo("stopped; run the same command again to continue", err=True)
        raise
    typer.echo(f"next:\n  {shlex.join(['instageo', 'recipe', 'run', name, '--folder', str(folder)])}")


@app.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run_command(
    context: typer.Context,
    name: RecipeName,
    folder: Folder,
    seeds: Annotated[str, typer.Option(help="Seeds, with commas between them.")] = "1,2,3",
    size: Annotated[
        str | None,
        typer.Option(metavar="tiny|student|normal", help="Distil a network of this size from the recipe's own."),
    ] = None,
) -> None:
    """Train with several seeds, score the test table, and compare with the published figures.

    Further arguments are settings, key=value, as of instageo run. Run the same command again to continue after an
    interruption: finished seeds are not trained again.
    """
    with required_by("instageo recipe run", RUNNING):
        from instageo.recipes.definition.shipped import open_recipe
        from instageo.recipes.preparation.folder import check_prepared
        from instageo.recipes.run_arguments import check_arguments, seeds_from_text

        recipe, numbers, overrides = open_recipe(name), seeds_from_text(seeds), tuple(context.args)
        check_arguments(size, overrides)
        check_prepared(recipe, folder)
        from instageo.recipes.training import run_recipe  # which imports PyTorch

    status = run_recipe(recipe, folder, seeds=numbers, size=size, overrides=overrides)
    if status:
        raise typer.Exit(status)
