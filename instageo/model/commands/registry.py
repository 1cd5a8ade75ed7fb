"""`instageo registry`: list, show, pull, push, point and verify models."""

from collections.abc import Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from instageo.errors import InstaGeoError, MissingExtraError, RegistryError
from instageo.model.registry.paths import models_folder, offline, registry_url
from instageo.progress import telling

app = typer.Typer(
    no_args_is_help=True,
    help="Models under names and versions, in a folder or any store.\n\n"
    "The registry is the URL of its registry.yaml: --registry, or $MODELS_REGISTRY_PATH. Models go to --to, or "
    "$MODELS_PATH. Every mode takes checkpoint_path=registry:MODEL/SIZE@VERSION.",
)

Url = Annotated[str | None, typer.Option("--registry", help="URL of registry.yaml; else $MODELS_REGISTRY_PATH.")]
To = Annotated[Path | None, typer.Option("--to", help="Folder for models; else $MODELS_PATH, else a cache.")]
Alone = Annotated[bool, typer.Option("--offline", help="Ask no store; use what was fetched before.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Named = Annotated[str, typer.Argument(metavar="MODEL/SIZE", help="With @VERSION or @ALIAS where that matters.")]


@contextmanager
def _told() -> Iterator[None]:
    """Say on stderr what is done, and which extra is missing if one is."""
    try:
        with telling():
            yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the package {error.name} is not installed; install the extras: "
            "pip install 'instageo-model[model,cpu,registry]'"
        ) from error


@app.command("list")
def list_command(registry: Url = None, alone: Alone = False, json: Json = False) -> None:
    """List all models."""
    with _told():
        from instageo.model.registry.registry import open_registry
        from instageo.model.registry.tables import model_to_dict, print_registry

        manifest = open_registry(registry_url(registry), alone=alone).manifest
        if json:
            typer.echo(dumps([model_to_dict(model) for model in manifest.models.values()], indent=2, default=str))
        else:
            print_registry(manifest)


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(metavar="MODEL")],
    registry: Url = None,
    alone: Alone = False,
    json: Json = False,
) -> None:
    """Show a model: its sizes, versions, aliases, scores and costs."""
    with _told():
        from instageo.model.registry.names import parse_name
        from instageo.model.registry.registry import open_registry
        from instageo.model.registry.tables import model_to_dict, print_model

        model = open_registry(registry_url(registry), alone=alone).manifest.model(parse_name(name).model)
        if json:
            typer.echo(dumps(model_to_dict(model), indent=2, default=str))
        else:
            print_model(model)


@app.command("pull")
def pull_command(
    names: Annotated[list[str] | None, typer.Argument(metavar="[MODEL/SIZE]…", help="Which; none for all.")] = None,
    registry: Url = None,
    to: To = None,
    flat: Annotated[bool, typer.Option("--flat", help="To MODEL/SIZE without a folder for the version.")] = False,
) -> None:
    """Fetch models: whole, checked and resumed where an earlier pull stopped."""
    with _told():
        from instageo.model.registry.local_models import pull
        from instageo.model.registry.names import parse_name
        from instageo.model.registry.registry import open_registry

        folder = models_folder(to)
        source = open_registry(registry_url(registry), folder=folder)
        every = [f"{model.key}/{size}" for model in source.manifest.models.values() for size in model.sizes]
        failed = []
        for name in names or every:
            try:
                copy = pull(source, parse_name(name), folder, flat=flat)
                typer.echo(f"{copy.name} is in {copy.folder}")
            except InstaGeoError as error:
                failed.append(f"{name}: {error}")
        if failed:
            raise RegistryError("; ".join(failed))


@app.command("push")
def push_command(
    run: Annotated[Path, typer.Argument(help="Directory of a finished training run.")],
    name: Annotated[str, typer.Argument(metavar="MODEL/SIZE")],
    registry: Url = None,
    version: Annotated[str | None, typer.Option(help="MAJOR.MINOR.PATCH; else the next one.")] = None,
    step: Annotated[str, typer.Option(help="What the next one counts up: major, minor or patch.")] = "minor",
    alias: Annotated[list[str] | None, typer.Option(help="Let this alias point to it; may be repeated.")] = None,
    licence: Annotated[str, typer.Option(help="SPDX identifier.")] = "Apache-2.0",
    classes: Annotated[str | None, typer.Option(help="Names of the classes, 'A,B,…'.")] = None,
    title: Annotated[str, typer.Option(help="A new model's name for people.")] = "",
    description: Annotated[str, typer.Option(help="What a new model is for.")] = "",
    data_source: Annotated[str, typer.Option(help="A new model's sensor or data set.")] = "",
    new: Annotated[bool, typer.Option("--new", help="Begin a registry where there is none.")] = False,
) -> None:
    """Publish a finished run as a new version."""
    with _told():
        from instageo.model.runs.publish import PushRequest, push

        named = tuple(part.strip() for part in classes.split(",")) if classes else ()
        wish = PushRequest(
            name, version, step, tuple(alias or ()), licence, title, description, data_source, named, new
        )
        model, pushed = push(run.expanduser(), registry_url(registry), wish)
        typer.echo(f"{model.key}/{name.partition('/')[2]}@{pushed.number} is in {pushed.folder}")


@app.command("alias")
def alias_command(
    name: Named,
    alias: Annotated[str, typer.Argument(help="Such as production.")],
    version: Annotated[str, typer.Argument(help="What it shall point to: a version or another alias.")],
    registry: Url = None,
) -> None:
    """Let an alias point to a version, for everybody at once."""
    with _told():
        from instageo.model.runs.publish import set_alias

        set_alias(registry_url(registry), name, alias, version)
        typer.echo(f"{name}@{alias} is {version}")


@app.command("verify")
def verify_command(registry: Url = None, to: To = None, alone: Alone = False) -> None:
    """Check fetched models file by file, and that the registry's files are there."""
    with _told():
        from instageo.model.registry.registry import open_registry
        from instageo.model.registry.verify import verify_local_models, verify_registry

        folder = models_folder(to)
        copies, faults = verify_local_models(folder)
        typer.echo(f"{len(copies)} fetched models in {folder}")
        if not offline(alone):
            there, others = verify_registry(open_registry(registry_url(registry)))
            typer.echo(f"{there} files in the registry")
            faults += others
        if faults:
            raise RegistryError("\n  ".join([f"{len(faults)} faults:", *faults]))
        typer.echo("all are as they were published")
