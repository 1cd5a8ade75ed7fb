"""Keep a Ray cluster of this machine to its user: loopback addresses, and a token that nobody else can read."""

import importlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray

LOOPBACK = "127.0.0.1"

CLUSTER_VARIABLE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's variable that says whether machines form clusters, on any system; 0 lets all its processes use loopback."""

TOKEN_FILE = Path(".ray") / "auth_token"
"""Where Ray keeps its token, below the user's home."""


@contextmanager
def only_this_machine() -> Iterator[None]:
    """Let a cluster that is started in this block listen on loopback alone; by default Ray listens on all addresses."""
    constants: Any = importlib.import_module("ray._private.ray_constants")
    before, variable = constants.ENABLE_RAY_CLUSTER, os.environ.get(CLUSTER_VARIABLE)
    constants.ENABLE_RAY_CLUSTER, os.environ[CLUSTER_VARIABLE] = False, "0"  # for this process and those it starts
    _protect_token(Path.home() / TOKEN_FILE)
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before
        if variable is None:
            del os.environ[CLUSTER_VARIABLE]
        else:
            os.environ[CLUSTER_VARIABLE] = variable


def bind_replica_to_loopback() -> None:
    """Let a replica of Ray Serve listen on loopback, if its node does; called while the replica is made.

    Ray Serve has no option for the address of the server through which deployments call each other.
    """
    if ray.util.get_node_ip_address() != LOOPBACK:
        return
    replica: Any = importlib.import_module("ray.serve._private.replica")
    bind = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: bind(server, address.replace("[::]", LOOPBACK))


def _protect_token(path: Path) -> None:
    """Create Ray's token if it is missing, and make it readable by the user only; Ray makes it world-readable."""
    with suppress(OSError):  # a home that cannot be written: Ray reports it if it needs the file
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            path.chmod(0o600)
            return
        with os.fdopen(file, "w") as target:
            target.write(secrets.token_hex(32))
