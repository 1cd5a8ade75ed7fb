"""run.json of whole runs, and what trackers and codecarbon record of them."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from instageo.model.inspection.class_weights import compute_class_weights
from instageo.model.tracking import energy
from tests.integration.conftest import QUICK
from tests.unit.tracking.conftest import FakeEnergyTracker

SECRET = 'test_filepath="https://me:hunter2@host/test.csv?sig=hunter2"'
"""A table that training does not use, but whose setting is sent to trackers."""

START_S = 240


def run_json(folder):
    return json.loads((folder / "run.json").read_text())


def tables(data):
    return [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", *QUICK]


@pytest.fixture
def measured(monkeypatch):
    """The trackers that were built instead of codecarbon's."""
    built = []

    def build(country, sums):
        built.append(FakeEnergyTracker(sums))
        return built[-1]

    monkeypatch.setattr(energy, "build_energy_tracker", build)
    return built


def test_the_metadata_of_a_training(trained):
    data, folder = trained
    run = run_json(folder)
    assert (run["mode"], run["status"], run["work"]["epochs"], run["work"]["chips"]) == ("train", "finished", 2, 8)
    assert run["command"].startswith(f"python -m instageo.model.run root_dir={data} train_filepath=train.csv")
    assert run["network"]["trained_parameters"] == run["network"]["parameters"]
    assert run["network"]["forward_shape"] == [6, 1, 32, 32]
    assert run["scores"]["mIoU"] == json.loads((folder / "metrics.json").read_text())["mIoU"]
    assert run["configuration"]["dataloader"]["img_size"] == 32  # as resolved, not as passed
    assert [run["tables"][name]["chips"] for name in ("train_filepath", "valid_filepath")] == [4, 1]
    assert run["total"]["epochs"] == 2
    assert run["earlier_parts"] == []


def test_scoring_and_mapping_take_the_network_summary_of_the_training(trained, run, tmp_path, monkeypatch):
    data, folder = trained
    monkeypatch.setattr("instageo.model.networks.cost.count_forward_flops", None)  # the training has counted
    where = [f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={folder}", "accelerator=cpu"]
    assert run("mode=eval", *where, folder="eval")[0] == 0
    assert run("mode=chip_inference", *where, folder="maps")[0] == 0
    scored, mapped, training = run_json(tmp_path / "eval"), run_json(tmp_path / "maps"), run_json(folder)
    for other in (scored, mapped):
        assert other["network"] == {**training["network"], "trained_parameters": 0, "engine": "torch f32"}
        assert other["work"]["chips"] == 1
        assert other["work"]["chips_per_second"] > 0
    assert scored["scores"]["accuracy"] == json.loads((tmp_path / "eval" / "metrics.json").read_text())["accuracy"]
    assert mapped["tables"]["test_filepath"]["labelled_pixels"] == []


def test_operations_are_counted_for_a_checkpoint_without_run_json(trained, run, tmp_path):
    data, folder = trained
    alone = tmp_path / "alone.ckpt"
    alone.write_bytes((folder / "instageo_best_checkpoint.ckpt").read_bytes())
    where = [f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={alone}", "accelerator=cpu"]
    assert run("mode=eval", *where)[0] == 0
    expected = {**run_json(folder)["network"], "trained_parameters": 0, "engine": "torch f32"}
    assert run_json(tmp_path / "run")["network"] == expected


def test_statistics_are_recorded_and_stdout_has_nothing_else(data, run, tmp_path):
    status, out, _ = run("mode=stats", f"root_dir={data}", "train_filepath=train.csv")
    assert status == 0
    counts = run_json(tmp_path / "run")["tables"]["train_filepath"]["labelled_pixels"]
    assert json.loads(out.splitlines()[-1])["class_weights"] == compute_class_weights(counts)


def test_the_error_of_a_failed_run_is_recorded(data, run, tmp_path):
    status, _, err = run(*tables(data), "train_filepath=none.csv")
    assert status == 1
    content = run_json(tmp_path / "run")
    assert content["status"] == "failed"
    assert content["error"] in err


def test_energy_of_all_epochs_and_of_a_resumed_run_adds_up(data, run, tmp_path, measured):  # pitfall 32
    common = [*tables(data), "energy=true", "energy_country=KEN", "logger=none"]
    assert run(*common, "train.num_epochs=3")[0] == 0
    assert [tracker.calls for tracker in measured] == [["start", "stop"]]
    assert run(*common, "train.num_epochs=4", f"train.resume={tmp_path / 'run'}", folder="again")[0] == 0
    assert [tracker.calls for tracker in measured] == [["start", "stop"]] * 2
    assert not (tmp_path / "again" / "run.json").exists()
    content = run_json(tmp_path / "run")
    [first] = content["earlier_parts"]
    assert (first["work"]["epochs"], content["work"]["epochs"], content["total"]["epochs"]) == (3, 1, 4)
    assert (content["energy"]["energy_kwh"], content["total"]["energy_kwh"], content["total"]["co2_kg"]) == (6, 12, 1.8)
    assert content["total"]["wall_seconds"] == first["wall_seconds"] + content["wall_seconds"]
    assert not (tmp_path / "run" / "tensorboard").exists()


@pytest.fixture
def program(warm_command):
    """Function that starts the program in a process and folder of its own, without any account."""
    return partial(start_program, warm_command("instageo.model.run"))


def start_program(command, folder, *arguments, **environment):
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB_", "MLFLOW_"))}
    return subprocess.Popen(
        [*command, *arguments, f"hydra.run.dir={folder / 'run'}"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
        env={**environ, "HOME": str(folder), "NO_PROXY": "127.0.0.1", "PYTHONPATH": str(Path.cwd()), **environment},
    )  # fmt: skip


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def finish(process, timeout_s=START_S):
    """Wait for a program: (exit status, stderr)."""
    try:
        _, err = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
    return process.returncode, err


def test_codecarbon_measures_a_training_without_files_or_messages(data, program, tmp_path):  # pitfalls 32, 37
    status, err = finish(program(tmp_path, *tables(data), "energy=true", "energy_country=KEN", "logger=none"))
    assert status == 0, err
    content = run_json(tmp_path / "run")
    used = content["energy"]
    assert 0 < used["energy_kwh"] < 1
    parts = [used[f"{part}_kwh"] or 0 for part in energy.PARTS]
    assert abs(sum(parts) - used["energy_kwh"]) < 1e-9
    assert 0 < used["co2_kg"] < used["energy_kwh"]  # less than 1 kg per kWh in Kenya
    assert 0 < used["seconds"] <= content["wall_seconds"]
    assert "codecarbon" not in err.lower().replace(str(tmp_path).lower(), "")
    assert not list(tmp_path.rglob("emissions*"))


def test_weights_and_biases_records_a_run_without_account_or_network(data, program, tmp_path):  # pitfall 37
    status, err = finish(
        program(tmp_path, *tables(data), "train.num_epochs=2", "logger=wandb", "tracking.name=mine", SECRET)
    )
    assert status == 0, err
    assert "wandb" not in err.lower()
    [events] = (tmp_path / "run" / "wandb").glob("offline-run-*/run-*.wandb")
    content = events.read_bytes()
    assert content.count(b"val_mIoU") >= 2
    for expected in (b"mine", b"train.num_epochs", b"best_mIoU", b"best_checkpoint", b"https://host/test.csv"):
        assert expected in content
    assert not [path for path in files(tmp_path / "run" / "wandb") if b"hunter2" in path.read_bytes()]
    assert "hunter2" not in json.dumps(run_json(tmp_path / "run"))
    assert run_json(tmp_path / "run")["trackers"]["wandb"]["run"] in events.name
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 3


class Server:
    """A real MLflow server on this machine, with its own store."""

    def __init__(self, folder, port):
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(folder / "server.log", "w")  # noqa: SIM115
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{folder / 'runs.db'}", "--artifacts-destination", str(folder / "files"),
        ]  # fmt: skip
        environ = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, env={**os.environ, **environ}, start_new_session=True
        )

    def wait(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            try:
                return self.call("/health", parse=bytes.decode)
            except (URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        raise TimeoutError(f"no MLflow server after {START_S} s")

    def call(self, path, content=None, parse=json.loads):
        body = None if content is None else json.dumps(content).encode()
        request = Request(self.url + path, body, {"Content-Type": "application/json"})
        with build_opener(ProxyHandler({})).open(request, timeout=20) as answer:
            return parse(answer.read())

    def runs(self, experiment):
        found = self.call(f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={experiment}")["experiment"]
        return self.call("/api/2.0/mlflow/runs/search", {"experiment_ids": [found["experiment_id"]]}).get("runs", [])

    def history(self, run, metric):
        found = self.call(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key={metric}")
        return [entry["value"] for entry in found["metrics"]]

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)
        self.log.close()


@contextmanager
def mlflow_server(folder):
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(folder, port)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def by_key(entries):
    return {entry["key"]: entry["value"] for entry in entries}


def column(folder, name):
    with open(folder / "history.csv", newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def test_mlflow_records_a_training_and_the_training_survives_its_server(data, program, tmp_path):
    folder = tmp_path / "run"
    with mlflow_server(tmp_path / "server") as server:
        common = [*tables(data), "logger=[tensorboard,mlflow]", f"tracking.uri={server.url}", SECRET]
        common += ["tracking.experiment=floods", "tracking.name=mine", "tracking.upload=true"]
        status, err = finish(program(tmp_path, *common, "train.num_epochs=2"))
        assert status == 0, err
        [found] = server.runs("floods")
        compare(found, server, folder)

        again = program(tmp_path, *common, "train.num_epochs=14", f"train.resume={folder}", **QUICKLY)
        identity, end = found["info"]["run_id"], time.monotonic() + START_S
        while len(server.history(identity, "val_mIoU")) < 3 and again.poll() is None and time.monotonic() < end:
            time.sleep(0.02)  # until the resumed run has gone on with its run there
        assert len(server.runs("floods")) == 1
    status, err = finish(again)
    assert status == 0, err
    assert err.count("logger=mlflow: a part of this run was not recorded") == 1
    assert len(column(folder, "val_mIoU")) == 14
    content = run_json(folder)
    assert (content["status"], content["total"]["epochs"]) == ("finished", 14)
    assert content["trackers"]["mlflow"]["run"] == identity

    status, err = finish(program(tmp_path, *common, "train.overwrite=true", **QUICKLY))
    assert status == 1
    assert f"logger=mlflow: the server {server.url} does not answer" in err
    assert "chips of" not in err  # before any data were read


QUICKLY = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


def compare(found, server, folder):
    """Compare what MLflow has of a training of two epochs with the training's own files."""
    identity, best = found["info"]["run_id"], folder / "instageo_best_checkpoint.ckpt"
    params, tags, metrics = (by_key(found["data"][part]) for part in ("params", "tags", "metrics"))
    assert (params["train.num_epochs"], params["dataloader.img_size"]) == ("2", "32")
    assert params["test_filepath"] == "https://host/test.csv"
    assert "hunter2" not in json.dumps([found, run_json(folder)])
    assert server.history(identity, "val_mIoU") == pytest.approx(column(folder, "val_mIoU"), abs=1e-6)
    assert len(server.history(identity, "train_loss")) == 2
    assert metrics["best_mIoU"] == pytest.approx(run_json(folder)["scores"]["mIoU"])
    assert tags["best_checkpoint"] == str(best)
    assert (tags["mlflow.runName"], found["info"]["status"]) == ("mine", "FINISHED")
    artifacts = server.call(f"/api/2.0/mlflow/artifacts/list?run_id={identity}")["files"]
    assert [(file["path"], int(file["file_size"])) for file in artifacts] == [(best.name, best.stat().st_size)]
    assert run_json(folder)["trackers"]["mlflow"]["run"] == identity
