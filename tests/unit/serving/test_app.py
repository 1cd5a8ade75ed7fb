"""The application on Ray Serve and its configuration."""

from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from instageo.cli import app
from instageo.model.networks.device import pick_device
from instageo.serving.settings import RequestLimits, ServerSettings, server_settings_from_dict


def test_a_configuration_describes_the_whole_server(tmp_path):
    run, config = tmp_path / "floods", tmp_path / "serve.yaml"
    run.mkdir()
    arguments = ["serve", str(run), "crops=registry:crops/tiny@1", "--replicas", "4", "--emit-config", str(config)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    [application] = yaml.safe_load(config.read_text())["applications"]
    assert application["import_path"] == "instageo.serving.app:application"
    settings = server_settings_from_dict(application["args"])
    assert settings.models == {"floods": str(run), "crops": "registry:crops/tiny@1"}
    assert (settings.replicas, settings.limits) == (4, RequestLimits())


def test_the_kubernetes_example_is_a_valid_configuration():
    example = yaml.safe_load((Path(__file__).parents[3] / "deploy" / "kuberay.yaml").read_text())
    [application] = yaml.safe_load(example["spec"]["serveConfigV2"])["applications"]
    assert server_settings_from_dict(application["args"]).models == {"floods/tiny": "registry:floods/tiny@production"}
    assert application["import_path"] == "instageo.serving.app:application"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings
@pytest.mark.parametrize(("gpus", "expected"), [(0.0, {"num_cpus": 1}), (2.0, {"num_cpus": 0, "num_gpus": 1})])
def test_replicas_request_a_gpu_if_there_are_any(monkeypatch, gpus, expected):  # pitfall 34
    import ray

    from instageo.serving.app import application

    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0, "GPU": gpus})
    bound = application(ServerSettings({"m": "registry:m"}).to_dict())
    [replicas] = bound._bound_deployment.init_args
    assert replicas._bound_deployment.ray_actor_options == expected


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings
def test_processes_grow_with_the_load_up_to_replicas(monkeypatch):
    import ray

    from instageo.serving.app import application

    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    bound = application(ServerSettings({"m": "registry:m"}, replicas=3, batch_tiles=8).to_dict())
    [replicas] = bound._bound_deployment.init_args
    config = replicas._bound_deployment._deployment_config.autoscaling_config
    assert (config.min_replicas, config.max_replicas, config.get_target_ongoing_requests()) == (1, 3, 4)
    assert (config.look_back_period_s, config.upscale_delay_s, config.downscale_delay_s) == (15, 5, 120)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            'The deployment failed to start 3 times. Error:\n\x1b[36mray::x()\x1b[39m\n  File "a.py", line 3\n'
            "instageo.errors.ConfigError: cannot listen at 127.0.0.1:80 (in use); choose another --port",
            "cannot listen at 127.0.0.1:80 (in use); choose another --port",
        ),
        ("No node has 9 GPUs: 2 are free", "No node has 9 GPUs: 2 are free"),
        ("", "Failed to update the deployments ['FrontEnd']."),
        (None, "Failed to update the deployments ['FrontEnd']."),  # before Ray has the application
    ],
)
def test_why_a_process_does_not_start_is_one_sentence(monkeypatch, message, expected):
    from ray import serve
    from ray.serve import schema

    from instageo.errors import InstaGeoError
    from instageo.serving.app import _run_application

    def fail(*_, **__):
        raise RuntimeError("Failed to update the deployments ['FrontEnd'].")

    def deployment(text):
        return schema.DeploymentStatusOverview("HEALTHY", "UNKNOWN", {}, text)

    applications = {}
    if message is not None:
        parts = {"a": deployment(""), "b": deployment(message)}
        applications["instageo"] = schema.ApplicationStatusOverview("RUNNING", "", 0.0, parts)
    monkeypatch.setattr(serve, "run", fail)
    monkeypatch.setattr(serve, "status", lambda: schema.ServeStatus(applications=applications))
    with pytest.raises(InstaGeoError) as raised:
        _run_application(None, "/")
    assert str(raised.value) == f"the server cannot start: {expected}"


def test_the_gpu_has_its_name_in_pytorch(monkeypatch):  # pitfall 34
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for accelerator in ("auto", "gpu", "cuda"):
        assert torch.device(pick_device(accelerator)).type == "cuda"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings
def test_a_server_leaves_no_variables_for_what_comes_after_it(monkeypatch):
    import os

    from instageo.serving.app import _server_environment

    monkeypatch.setenv("RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", "mine:own")
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    before = dict(os.environ)
    with _server_environment():
        assert os.environ["MALLOC_ARENA_MAX"] == "1"
        assert os.environ["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"] == "mine:own"
        assert "INSTAGEO_JOB_ENVIRONMENT" in os.environ
    assert dict(os.environ) == before
