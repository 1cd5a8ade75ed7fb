"""SIGTERM, as Slurm, systemd and Kubernetes send it, ends commands in order: one sentence, status 143, nothing left."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from instageo.model.inference.journal import JOURNAL
from instageo.model.run import main
from instageo.runtime.termination import TERMINATED
from tests.integration.conftest import QUICK, write_chips

INSTAGEO = [str(Path(sys.executable).with_name("instageo")), "run"]
MODULE = [sys.executable, "-m", "instageo.model.run"]
STOPPED = (
    "stopped by SIGTERM; train.resume=true continues a training after its last complete epoch, the same output_dir "
    "continues chip_inference"
)


def terminate(command, *, once, group=False):
    """Start a command, send SIGTERM once a file exists (to all of its processes if `group`), and return the rest."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        end = time.monotonic() + 240
        while not once() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        assert process.poll() is None, process.communicate()[0]
        assert once(), "it took too long to begin"
        family = psutil.Process(process.pid).children(recursive=True)
        (os.killpg if group else os.kill)(process.pid, signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    _, alive = psutil.wait_procs(family, timeout=20)
    return process.returncode, output, alive


def check_orderly(status, output, alive):
    assert status == TERMINATED, output
    assert output.splitlines()[-1] == STOPPED
    for word in ("Traceback", "SIGTERM received", "Fatal Python error", ".cc:", "core dumped"):
        assert word not in output
    assert alive == []


@pytest.mark.parametrize("command", [INSTAGEO, MODULE], ids=["instageo", "module"])
def test_a_training_keeps_its_last_epoch(data, tmp_path, capfd, command):
    folder = tmp_path / "run"
    arguments = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", *QUICK]
    arguments += ["train.scheduler=constant", f"hydra.run.dir={folder}"]
    ended = terminate([*command, *arguments, "train.num_epochs=5000"], once=(folder / "last.ckpt").exists)
    check_orderly(*ended)
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    epochs = len((folder / "history.csv").read_text().splitlines()) - 1
    more = [f"train.num_epochs={epochs + 1}", "train.resume=true"]
    assert main([*arguments, *more]) == 0
    log = capfd.readouterr().err
    assert f"after epoch {epochs} of {epochs + 1}" in log
    assert "random weights" not in log  # those of the checkpoint are taken
    assert main([*arguments, f"train.num_epochs={epochs}", "train.resume=true"]) == 1
    [sentence] = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert f"its run has finished {epochs + 1} epochs, but you passed train.num_epochs={epochs}; pass" in sentence


@pytest.mark.parametrize("group", [False, True], ids=["main process", "all processes"])
def test_a_training_in_several_processes_ends_as_one(tmp_path, group):
    data, folder = write_chips(tmp_path / "data", count=12), tmp_path / "run"
    rows = (data / "train.csv").read_text().splitlines()
    (data / "valid.csv").write_text("\n".join(rows[:3]) + "\n")  # two, one for each process
    arguments = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", *QUICK]
    arguments += ["devices=2", "strategy=ddp", "train.num_epochs=5000", f"hydra.run.dir={folder}"]
    check_orderly(*terminate([*MODULE, *arguments], once=(folder / "last.ckpt").exists, group=group))
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"


def test_a_sweep_ends_with_its_job(data, tmp_path):
    sweep = tmp_path / "sweep"
    arguments = ["-m", f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", *QUICK]
    arguments += ["train.num_epochs=5000", "seed=1,2", f"hydra.sweep.dir={sweep}"]
    check_orderly(*terminate([*INSTAGEO, *arguments], once=(sweep / "0" / "last.ckpt").exists))
    assert not (sweep / "1").exists()


@pytest.fixture(scope="module")
def model(trained):
    return trained[1]


@pytest.mark.parametrize("group", [False, True], ids=["alone", "with its processes"])
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_maps_made_so_far_are_kept(model, tmp_path, capfd, engine, group):
    data, output = write_chips(tmp_path / "data", count=150), tmp_path / "maps"
    command = [
        *INSTAGEO, "mode=chip_inference", f"root_dir={data}", "test_filepath=train.csv", f"checkpoint_path={model}",
        f"output_dir={output}", f"hydra.run.dir={tmp_path / 'run'}", f"engine={engine}", "accelerator=cpu",
    ]  # fmt: skip
    journal = output / JOURNAL
    begun = lambda: journal.exists() and len(journal.read_text().splitlines()) > 10  # noqa: E731
    check_orderly(*terminate(command, once=begun, group=group))
    assert not list(output.rglob(".*.part.tif"))
    assert main([*command[2:], "engine=local"]) == 0
    assert " of 148 predictions were made before and kept" in capfd.readouterr().err
    assert len(list(output.rglob("*.tif"))) == 148


def test_ray_may_still_be_starting(model, tmp_path):
    data = write_chips(tmp_path / "data")
    command = [
        *INSTAGEO, "mode=chip_inference", f"root_dir={data}", "test_filepath=train.csv", f"checkpoint_path={model}",
        f"hydra.run.dir={tmp_path / 'run'}", "engine=ray", "accelerator=cpu",
    ]  # fmt: skip

    def ray_starts():
        with suppress(psutil.Error):  # of a process that has just ended
            return any("gcs_server" in process.name() for process in psutil.Process().children(recursive=True))
        return False

    check_orderly(*terminate(command, once=ray_starts))


def test_the_demo_ends_with_the_command_it_runs(tmp_path):
    folder = tmp_path / "demo"
    command = [INSTAGEO[0], "demo", "--folder", str(folder), "--epochs", "5000"]
    status, output, alive = terminate(command, once=(folder / "run" / "last.ckpt").exists)
    assert (status, alive) == (TERMINATED, []), output
    assert "Traceback" not in output
