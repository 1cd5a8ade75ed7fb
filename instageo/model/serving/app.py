"""The two deployments of a server: a front for HTTP, and processes with networks."""

from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from instageo.model.serving.front import build
from instageo.model.serving.limits import Serving, serving_of
from instageo.model.serving.networks import Networks

NETWORKS = "Networks"

SCALING = {"look_back_period_s": 15, "upscale_delay_s": 5, "downscale_delay_s": 120}
"""Another process starts some 20 seconds after the load has come, and stays for two minutes without."""


def application(arguments: dict[str, Any]) -> Application:
    """A server as Ray Serve's configuration files name it: `instageo.model.serving.app:application`.

    Args:
        arguments: As of `Serving.plain`.
    """
    serving = serving_of(arguments)

    def front() -> FastAPI:
        handle = serve.get_deployment_handle(NETWORKS, app_name=serve.get_replica_context().app_name)
        return build(handle, serving)

    fronts: Any = serve.deployment(name="Front", max_ongoing_requests=10_000, ray_actor_options={"num_cpus": 0})
    bound: Application = fronts(serve.ingress(front)()).bind(_networks(serving).bind(serving))
    return bound


def _networks(serving: Serving) -> Any:
    on_gpu = ray.cluster_resources().get("GPU", 0) >= 1
    resources = {"num_cpus": 0, "num_gpus": 1} if on_gpu else {"num_cpus": 1}
    own: Any = serve.deployment(
        name=NETWORKS,
        ray_actor_options=resources,
        max_ongoing_requests=4 * serving.batch_tiles,
        max_queued_requests=2 * serving.limits.waiting,
        health_check_period_s=2,
        graceful_shutdown_timeout_s=5,
    )(Networks)
    if serving.replicas == 1:
        return own.options(num_replicas=1)
    half = max(1, serving.batch_tiles / 2)  # of a pass, waiting or in it
    scale = SCALING | {"min_replicas": 1, "max_replicas": serving.replicas, "target_ongoing_requests": half}
    return own.options(autoscaling_config=scale)
