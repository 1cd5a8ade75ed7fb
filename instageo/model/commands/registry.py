"""`instageo registry`: list, show, pull, push, alias and verify models."""

from collections.abc import Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from instageo.errors import InstaGeoError, RegistryError
from instageo.extras import required_by
from instageo.model.registry.paths import is_offline, models_folder, registry_url
from instageo.runtime.progress import log_to_stderr
from instageo.wording import counted

app = typer.Typer(
    no_args_is_help=True,
    help="Manage named, versioned models in a local folder or an object store.\n\n"
    "--registry or $MODELS_REGISTRY_PATH is the URL of registry.yaml; --to or $MODELS_PATH is the folder of local "
    "models. Every mode accepts checkpoint_path=registry:MODEL/SIZE@VERSION.",
)

RegistryUrl = Annotated[
    str | None, typer.Option("--registry", help="URL of registry.yaml; default: $MODELS_REGISTRY_PATH.")
]
ModelsFolder = Annotated[
    Path | None, typer.Option("--to", help="Folder of local models; default: $MODELS_PATH, else a cache folder.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Do not access any store; use what is on this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
ModelSizeName = Annotated[str, typer.Argument(metavar="MODEL/SIZE")]


@contextmanager
def _command() -> Iterator[None]:
    """Log to stderr, and name the extras if a package is missing."""
    with required_by("instageo registry", "model,cpu,registry"), log_to_stderr():
        yield


@app.command("list")
def list_command(registry: RegistryUrl = None, offline: Offline = False, as_json: AsJson = False) -> None:
    """List all models."""
    with _command():
        from instageo.model.registry.registry import open_registry
        from instageo.model.registry.tables import model_to_dict, print_registry

        manifest = open_registry(registry_url(registry), offline=offline).manifest
        if as_json:
            typer.echo(dumps([model_to_dict(model) for model in manifest.models.values()], indent=2, default=str))
        else:
            print_registry(manifest)


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(metavar="MODEL")],
    registry: RegistryUrl = None,
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Show a model: its sizes, versions, aliases, scores and costs."""
    with _command():
        from instageo.model.registry.names import parse_name
        from instageo.model.registry.registry import open_registry
        from instageo.model.registry.tables import model_to_dict, print_model

        manifest = open_registry(registry_url(registry), offline=offline).manifest
        model = manifest.find_model(parse_name(name).model)
        if as_json:
            typer.echo(dumps(model_to_dict(model), indent=2, default=str))
        else:
            print_model(model)


@app.command("pull")
def pull_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL/SIZE[@VERSION]]…", help="Models to download; default: all.")
    ] = None,
    registry: RegistryUrl = None,
    to: ModelsFolder = None,
    flat: Annotated[bool, typer.Option("--flat", help="Write to MODEL/SIZE, without a folder per version.")] = False,
) -> None:
    """Download models and check them; resume where an earlier pull stopped."""
    with _command():
        from instageo.model.registry.local_models import pull
        from instageo.model.registry.names import parse_name
        from instageo.model.registry.registry import open_registry

        folder = models_folder(to)
        source = open_registry(registry_url(registry), folder=folder)
        all_names = [f"{model.key}/{size}" for model in source.manifest.models.values() for size in model.sizes]
        problems = []
        for name in names or all_names:
            try:
                model = pull(source, parse_name(name), folder, flat=flat)
                typer.echo(f"{model.name} is in {model.folder}")
            except InstaGeoError as error:
                problems.append(f"{name}: {error}")
        if problems:
            raise RegistryError("; ".join(problems))


@app.command("push")
def push_command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished training run.")],
    name: ModelSizeName,
    registry: RegistryUrl = None,
    version: Annotated[
        str | None, typer.Option(help="Version MAJOR.MINOR.PATCH; default: the next one, see --step.")
    ] = None,
    step: Annotated[str, typer.Option(help="Part of the version number to raise: major, minor or patch.")] = "minor",
    alias: Annotated[list[str] | None, typer.Option(help="Point this alias to the version; may be repeated.")] = None,
    licence: Annotated[
        str | None,
        typer.Option(help="SPDX identifier of the licence; default: that of the model's newest version, if any."),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Names of the classes, 'A,B,…'; default: those of the run or of the model.")
    ] = None,
    title: Annotated[str, typer.Option(help="For a new model: title.")] = "",
    description: Annotated[str, typer.Option(help="For a new model: description.")] = "",
    data_source: Annotated[str, typer.Option(help="For a new model: sensor or data set.")] = "",
    new: Annotated[bool, typer.Option("--new", help="Create the registry if it does not exist.")] = False,
) -> None:
    """Publish a finished run as a new version."""
    with _command():
        from instageo.model.publishing.publish import PushRequest, push

        request = PushRequest(
            name=name,
            version=version,
            step=step,
            aliases=tuple(alias or ()),
            licence=licence,
            title=title,
            description=description,
            data_source=data_source,
            classes=tuple(part.strip() for part in classes.split(",")) if classes else (),
            new=new,
        )
        model, published = push(run.expanduser(), registry_url(registry), request)
        typer.echo(f"{model.key}/{name.partition('/')[2]}@{published.number} is in {published.folder}")


@app.command("alias")
def alias_command(
    name: ModelSizeName,
    alias: Annotated[str, typer.Argument(help="Name of the alias, such as production.")],
    version: Annotated[str, typer.Argument(help="The version to point to, or another alias.")],
    registry: RegistryUrl = None,
) -> None:
    """Point an alias to a version, atomically."""
    with _command():
        from instageo.model.publishing.publish import set_alias

        set_alias(registry_url(registry), name, alias, version)
        typer.echo(f"{name}@{alias} is {version}")


@app.command("verify")
def verify_command(registry: RegistryUrl = None, to: ModelsFolder = None, offline: Offline = False) -> None:
    """Verify local models by checksum, and check that the registry's files exist."""
    with _command():
        from instageo.model.registry.registry import open_registry
        from instageo.model.registry.verify import verify_local_models, verify_registry

        folder = models_folder(to)
        models, problems = verify_local_models(folder)
        typer.echo(f"{counted(len(models), 'local model')} in {folder}")
        if not is_offline(offline):
            count, registry_problems = verify_registry(open_registry(registry_url(registry)))
            typer.echo(f"{counted(count, 'file')} in the registry")
            problems += registry_problems
        if problems:
            raise RegistryError("\n  ".join([f"{counted(len(problems), 'problem')}:", *problems]))
        typer.echo("all files are as published")
