"""A server as a configuration file of Ray Serve."""

from typing import Any

from instageo.model.registry.plain_yaml import dumped
from instageo.model.serving.limits import Serving


def configuration(serving: Serving, host: str, port: int) -> bytes:
    """YAML for `serve deploy` and `serve run`, and the `serveConfigV2` of KubeRay."""
    plain: dict[str, Any] = {
        "proxy_location": "EveryNode",
        "http_options": {"host": host, "port": port, "request_timeout_s": serving.limits.timeout_s + 30},
        "applications": [
            {
                "name": "instageo",
                "route_prefix": "/",
                "import_path": "instageo.model.serving.app:application",
                "args": serving.plain(),
            }
        ],
    }
    return dumped(plain)
