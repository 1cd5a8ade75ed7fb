"""Processes of a server: killed, more of them under load, tokens and queues, a configuration in a file."""

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from typer.testing import CliRunner

from instageo.cli import app
from instageo.model.run import main
from instageo.raster import read_raster
from tests.integration.conftest import QUICK, write_chips
from tests.integration.servers import BOUNDARY, chip_inference, free_port, image, serving, started

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two classes."""
    base = tmp_path_factory.mktemp("run")
    data = write_chips(base / "data")
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    assert main([*tables, *QUICK, f"hydra.run.dir={base / 'run'}"]) == 0
    return base / "run"


def load(server, content, seconds, clients):
    """Answers other than 200, and how many were 200, of clients that ask again and again."""
    end, good, others = time.monotonic() + seconds, [], []

    def client():
        while time.monotonic() < end:
            status, _, body = server.send("/v1/predict?format=json", content)
            (good if status == 200 else others).append((status, body))

    with ThreadPoolExecutor(clients) as pool:
        for future in [pool.submit(client) for _ in range(clients)]:
            future.result()
    return others, len(good)


def test_a_killed_process_loses_no_request(run, tmp_path):
    """Of those that were accepted; what was sent to it is sent to the next."""
    content = image(tmp_path, (6,)).read_bytes()
    with serving(f"m={run}") as server, ThreadPoolExecutor(1) as pool:
        before = server.network_processes()
        assert len(before) == 1
        running = pool.submit(load, server, content, 25, 6)
        time.sleep(3)
        os.kill(before[0], signal.SIGKILL)
        others, good = running.result()
        assert server.network_processes() not in ([], before)  # another one took its place
    assert others == []
    assert good > 20


def test_a_token_and_too_many_requests(run, tmp_path, monkeypatch):
    monkeypatch.setenv("INSTAGEO_SERVE_TOKEN", "hush")
    chip = image(tmp_path, (6,), side=512).read_bytes()
    body = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.tif"\r\n\r\n'.encode()
    body += chip + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Authorization": "Bearer hush"}
    with serving(f"m={run}", "--waiting", "2", stop=signal.SIGTERM) as server, ThreadPoolExecutor(12) as pool:
        refused = server.send("/v1/predict", chip)
        wrong = server.ask("GET", "/v1/models", headers={"Authorization": "Bearer wrong"})
        right = server.ask("GET", "/v1/models", headers={"Authorization": "Bearer hush"})
        health = server.get("/healthz")
        answers = list(pool.map(lambda _: server.ask("POST", "/v1/predict", body, kind), range(12)))
    assert (refused[0], refused[1]["www-authenticate"]) == (401, "Bearer")
    assert "hush" not in refused[2].decode()
    assert (wrong[0], right[0], health[0]) == (401, 200, 200)
    assert {status for status, _, _ in answers} == {200, 429}
    assert all(headers["retry-after"] == "1" for status, headers, _ in answers if status == 429)


def test_a_written_configuration_grows_with_the_load(run, tmp_path):
    """A server as Ray's own command runs it, which starts a second process and loses nothing meanwhile."""
    port, configuration = free_port(), tmp_path / "serve.yaml"
    emit = ["serve", f"m={run}", "--port", str(port), "--replicas", "2", "--batch-tiles", "4"]
    assert CliRunner().invoke(app, [*emit, "--emit-config", str(configuration)]).exit_code == 0
    command = [sys.executable, "-m", "ray.serve.scripts", "run", str(configuration)]
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    chip = image(tmp_path, (6,), side=45)
    with started(command, port, env=environment, cwd=tmp_path) as server, ThreadPoolExecutor(1) as pool:
        (tmp_path / "answer.tif").write_bytes(server.send("/v1/predict", chip.read_bytes())[2])
        assert len(server.network_processes()) == 1
        running = pool.submit(load, server, chip.read_bytes(), 45, 16)
        while len(server.network_processes()) < 2 and not running.done():
            time.sleep(0.5)
        assert running.result()[0] == []
        assert len(server.network_processes()) == 2
    expected = chip_inference(run, chip, tmp_path)
    np.testing.assert_array_equal(read_raster(tmp_path / "answer.tif").values, expected.values)
