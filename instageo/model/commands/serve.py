"""`instageo serve`: serve trained models over HTTP."""

import logging
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from instageo.errors import ConfigError
from instageo.extras import required_by
from instageo.files import write_text
from instageo.model.registry.names import is_registry_name, parse_name
from instageo.runtime.progress import log_to_stderr
from instageo.serving.settings import ServerSettings, build_serve_config
from instageo.stores.lock import LockedError, hold_folder

log = logging.getLogger("instageo")


@dataclass(frozen=True)
class ListenAddress:
    """Where a server listens and runs.

    Attributes:
        host: Address to listen on.
        port: Port to listen on.
        address: Address of a running Ray cluster; None to start one on this machine.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    address: str | None = None


def serve(settings: ServerSettings, listen: ListenAddress, config_path: Path | None = None) -> None:
    """Start a server and run it until it is stopped.

    Args:
        settings: Its models and limits.
        listen: Where it listens and runs.
        config_path: Write Ray Serve's configuration to this file instead of starting a server.
    """
    with log_to_stderr():
        if config_path is not None:
            with required_by("--emit-config", "serve"):
                config = build_serve_config(settings, listen.host, listen.port)
            write_text(config_path, config)
            log.info("wrote %s for `serve deploy` or, as serveConfigV2, for KubeRay", config_path)
            return
        with required_by("instageo serve", "model,cpu,serve"):
            from instageo.serving.app import serve_until_stopped

            for package in ("fastapi", "torch"):  # which the processes that it starts import
                if find_spec(package) is None:
                    raise ModuleNotFoundError(name=package)
        if settings.jobs is not None:
            require_free_folder(settings.jobs.folder)
        serve_until_stopped(settings, listen.host, listen.port, listen.address)


def require_free_folder(folder: str) -> None:
    """Check that maps of areas can be kept in a folder, and that no other server keeps its own there.

    Raises:
        ConfigError: Another server uses it.
        MissingExtraError: Packages that map areas are not installed.
        WriteError: The disk refuses it.
    """
    with required_by("--jobs-dir", "data"):
        import pystac_client  # noqa: F401
        import shapely  # noqa: F401
    try:
        with hold_folder(Path(folder)):
            pass
    except LockedError as error:
        raise ConfigError(
            f"--jobs-dir {folder}: another server keeps its maps there ({error}); stop it, or choose another folder"
        ) from error


def name_models(sources: list[str]) -> dict[str, str]:
    """Return sources by the names for requests: NAME of `NAME=SOURCE`, else the run's folder or the registry's name.

    Raises:
        ConfigError: Two sources have the same name, or a checkpoint does not exist.
    """
    models: dict[str, str] = {}
    for text in sources:
        name, equals, source = text.partition("=")
        if not equals or Path(text).expanduser().exists():  # a file may be named epoch=3.ckpt
            name, source = _default_name(text), text
        if name in models:
            raise ConfigError(f"{text}: another model has the name '{name}'; choose another name: NAME={source}")
        models[name] = source if is_registry_name(source) else str(Path(source).expanduser().absolute())
        if not is_registry_name(source) and not Path(models[name]).exists():
            raise ConfigError(
                f"{source}: no such checkpoint; expected a file, a run's directory, or registry:MODEL/SIZE"
            )
    return models


def _default_name(source: str) -> str:
    if is_registry_name(source):
        requested = parse_name(source)
        return f"{requested.model}/{requested.size}" if requested.size else requested.model
    path = Path(source).expanduser().absolute()
    return path.parent.name if path.suffix else path.name
