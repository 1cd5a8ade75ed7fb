"""Servers of their own: tokens and queues, a configuration in a file, and more processes under load."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from benchmarks.free_port import free_port
from instageo.cli import app
from instageo.raster.reading import read_raster
from tests.integration.servers import BOUNDARY, chip_inference, image, load, serving, started, wait_for


@pytest.fixture(scope="module")
def run(trained):
    """A run of two classes."""
    return trained[1]


def test_a_token_and_too_many_requests(run, tmp_path, monkeypatch):
    monkeypatch.setenv("INSTAGEO_SERVE_TOKEN", "hush")
    chip = image(tmp_path, (6,), side=512).read_bytes()
    body = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.tif"\r\n\r\n'.encode()
    body += chip + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Authorization": "Bearer hush"}
    with serving(f"m={run}", "--max-concurrency", "2", stop=signal.SIGTERM) as server, ThreadPoolExecutor(12) as pool:
        refused = server.send("/v1/predict", chip)
        wrong = server.request("GET", "/v1/models", headers={"Authorization": "Bearer wrong"})
        right = server.request("GET", "/v1/models", headers={"Authorization": "Bearer hush"})
        health = server.get("/healthz")
        reachable = server.open_addresses()
        responses = list(pool.map(lambda _: server.request("POST", "/v1/predict", body, kind), range(12)))
    assert reachable == set()  # neither the server's nor Ray's
    assert (refused[0], refused[1]["www-authenticate"]) == (401, "Bearer")
    assert "hush" not in refused[2].decode()
    assert (wrong[0], right[0], health[0]) == (401, 200, 200)
    assert {status for status, _, _ in responses} == {200, 429}
    assert all(headers["retry-after"] == "1" for status, headers, _ in responses if status == 429)


def test_a_server_by_configuration_grows_with_the_load(run, tmp_path):
    """Ray's own command runs it; it starts a second process and loses no request meanwhile."""
    port, configuration = free_port(), tmp_path / "serve.yaml"
    emit = ["serve", f"m={run}", "--port", str(port), "--replicas", "2", "--batch-tiles", "4"]
    assert CliRunner().invoke(app, [*emit, "--emit-config", str(configuration)]).exit_code == 0
    hasten(configuration)
    command = [sys.executable, "-m", "ray.serve.scripts", "run", str(configuration)]
    soon = {"RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "0.2"}
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"} | soon
    chip = image(tmp_path, (6,), side=45)
    with started(command, port, env=environment, cwd=tmp_path) as server:
        (tmp_path / "map.tif").write_bytes(server.send("/v1/predict", chip.read_bytes())[2])
        assert len(server.replica_processes()) == 1
        with load(server, chip.read_bytes(), clients=8) as statuses:
            assert wait_for(lambda: len(server.replica_processes()) == 2, 600)
            before_count = len(statuses)
            assert wait_for(lambda: len(statuses) > before_count + 100, 600)
    assert set(statuses) == {200}
    expected = chip_inference(run, chip, tmp_path)
    np.testing.assert_array_equal(read_raster(tmp_path / "map.tif").values, expected.values)


def hasten(configuration):
    """Let the server measure its load for a second in place of fifteen before it grows, and stop without a wait."""
    config = yaml.safe_load(configuration.read_text())
    autoscaling = {
        "min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 2, "look_back_period_s": 1,
        "upscale_delay_s": 0, "metrics_interval_s": 0.2,
    }  # fmt: skip
    stop = {"graceful_shutdown_wait_loop_s": 0.1}
    config["applications"][0]["deployments"] = [
        {"name": "ModelReplica", "autoscaling_config": autoscaling, **stop},
        {"name": "FrontEnd", **stop},
    ]
    configuration.write_text(yaml.safe_dump(config))
