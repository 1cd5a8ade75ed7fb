"""The processes of a server; what they work with is imported in them, so that the one that starts them stays small."""

from typing import TYPE_CHECKING

import ray
from ray import serve

from instageo.model.inference.ray_access import bind_replica_to_loopback
from instageo.serving.access.http_server import HTTPServer
from instageo.serving.settings import ServerSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from instageo.serving.replicas.model_replica import ModelDescription, TileBatch, TileLogits

REPLICA_DEPLOYMENT = "ModelReplica"
"""Name of the deployment of `ModelProcess` in Ray Serve."""


class ModelProcess:
    """A process with networks; Ray Serve starts one or more of them. See `ModelReplica`."""

    def __init__(self, settings: ServerSettings) -> None:
        from instageo.serving.replicas.model_replica import ModelReplica

        self.replica = ModelReplica(settings)

    async def describe(self, model: str) -> "ModelDescription":
        """Return the description of a model, which is loaded if need be."""
        return await self.replica.describe(model)

    async def compute(self, tiles: "TileBatch") -> "TileLogits":
        """Return the network's output for the tiles of one request."""
        return await self.replica.compute(tiles)


class FrontEnd:
    """The process that answers HTTP of a server on this machine alone.

    Ray Serve's proxy, which clusters need, would pass each request and response through a further process in messages.

    Args:
        replicas: Handle of the deployment of `ModelProcess`, which starts with it.
        settings: Settings of the server.
        host: Address to listen on.
        port: Port to listen on.
    """

    server: HTTPServer | None = None
    stopping = False

    def __init__(self, replicas: object, settings: ServerSettings, host: str, port: int) -> None:  # noqa: ARG002
        self.server = HTTPServer(build_http_app(settings), host, port, settings.limits.longest_s)

    def check_health(self) -> None:
        """Raise RuntimeError if it no longer answers, so that Ray Serve starts it again."""
        if not self.stopping and (self.server is None or not self.server.running):
            raise RuntimeError("the thread that answers HTTP has ended")

    def stop(self) -> None:
        """Accept no further connections, and let requests in progress end soon."""
        self.stopping = True
        if self.server is not None:
            self.server.stop()

    def __del__(self) -> None:
        """Stop; Ray Serve calls this before it ends the process."""
        self.stop()


def build_http_app(settings: ServerSettings) -> "FastAPI":
    """Build the application that answers HTTP, in a process that Ray Serve has started."""
    from instageo.serving.endpoints import build_app

    bind_replica_to_loopback()
    handle = serve.get_deployment_handle(REPLICA_DEPLOYMENT, app_name=serve.get_replica_context().app_name)
    return build_app(handle, settings, server_id())


def server_id() -> str:
    """Return an identifier of the server on this machine: that of its node of Ray, random for each start."""
    return str(ray.get_runtime_context().get_node_id())
