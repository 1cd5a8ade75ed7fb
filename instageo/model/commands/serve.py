"""`instageo serve`: trained models behind HTTP."""

import logging
from dataclasses import dataclass
from pathlib import Path

from instageo.errors import ConfigError, MissingExtraError
from instageo.model.registry.names import is_registry_name, parse_name
from instageo.progress import telling
from instageo.serving.settings import ServerSettings

log = logging.getLogger("instageo")


@dataclass(frozen=True)
class ListenAddress:
    """Where a server listens.

    Attributes:
        host: Address.
        port: Port.
        address: Of a Ray cluster; None for this machine.
        emit: File that gets the configuration instead of a server being started.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    address: str | None = None
    emit: Path | None = None


def serve(serving: ServerSettings, where: ListenAddress) -> None:
    """Start a server and keep it running, or write its configuration."""
    with telling():
        if where.emit is not None:
            from instageo.serving.app import serve_config

            where.emit.write_bytes(serve_config(serving, where.host, where.port))
            log.info("%s: for `serve deploy` or, as serveConfigV2, for KubeRay", where.emit)
            return
        try:
            from instageo.serving.app import serve_until_stopped

            serve_until_stopped(serving, where.host, where.port, where.address)
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"a server needs the package {error.name}; install the extras: "
                "pip install 'instageo-model[model,cpu,serve]'"
            ) from error


def named(sources: list[str]) -> dict[str, str]:
    """Sources by the name that requests use: `NAME=SOURCE`, else the run's folder or the registry's name.

    Raises:
        ConfigError: Two have one name.
    """
    models: dict[str, str] = {}
    for text in sources:
        name, mark, source = text.partition("=")
        name, source = (name, source) if mark else (_own_name(text), text)
        if name in models:
            raise ConfigError(f"{text}: another model is called '{name}', too; name it otherwise: NAME={source}")
        models[name] = source if is_registry_name(source) else str(Path(source).expanduser().absolute())
        if not is_registry_name(source) and not Path(models[name]).exists():
            raise ConfigError(
                f"{source}: no such checkpoint; expected a file, a run's directory, or registry:MODEL/SIZE"
            )
    return models


def _own_name(source: str) -> str:
    if is_registry_name(source):
        asked = parse_name(source)
        return f"{asked.model}/{asked.size}" if asked.size else asked.model
    path = Path(source).expanduser().absolute()
    return path.parent.name if path.suffix else path.name
