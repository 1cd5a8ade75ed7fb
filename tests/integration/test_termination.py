"""SIGTERM, as Slurm, systemd and Kubernetes send it, ends commands in order: one sentence, status 143, nothing left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from instageo.model.inference.journal import JOURNAL
from instageo.model.run import main
from instageo.runtime.termination import TERMINATED
from tests.forked_calls import running, running_command
from tests.integration.conftest import QUICK, write_chips

STOPPED = (
    "stopped by SIGTERM; train.resume=true continues a training after its last complete epoch, the same output_dir "
    "continues chip_inference"
)


def wait_for(once, is_running):
    """Wait until a function returns true while a command runs; the limit only ends a test that would never."""
    end = time.monotonic() + 240
    while not once() and is_running() and time.monotonic() < end:
        time.sleep(0.02)
    return is_running()


def terminate(*arguments, log, once, group=False):
    """Run `instageo`, forked, and send SIGTERM; see `terminate_running`."""
    return terminate_running(running_command(log, *arguments), log, once, group=group)


def terminate_running(running, log, once, *, group=False):
    """Send SIGTERM to a running command once a function returns true, to all of its processes if `group`.

    Returns:
        The exit status, what the command wrote, and its processes that are still alive.
    """
    with running as process:
        assert wait_for(once, lambda: process.poll() is None), log.read_text()
        assert once(), "it took too long to begin"
        family = psutil.Process(process.pid).children(recursive=True)
        (os.killpg if group else os.kill)(process.pid, signal.SIGTERM)
        process.wait(120)
        status = process.returncode
    return status, log.read_text(), psutil.wait_procs(family, timeout=20)[1]


def terminate_program(command, *, once):
    """Do what `terminate` does with a program that is started as users do."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert wait_for(once, lambda: process.poll() is None), process.communicate()[0]
        assert once(), "it took too long to begin"
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        output, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, output, psutil.wait_procs(family, timeout=20)[1]


def check_orderly(status, output, alive):
    assert status == TERMINATED, output
    assert output.splitlines()[-1] == STOPPED
    for word in ("Traceback", "SIGTERM received", "Fatal Python error", ".cc:", "core dumped"):
        assert word not in output
    assert alive == []


@pytest.mark.parametrize("command", [["instageo", "run"], ["python", "-m", "instageo.model.run"]], ids=" ".join)
def test_a_training_keeps_its_last_epoch(data, tmp_path, capfd, command):
    folder = tmp_path / "run"
    arguments = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", *QUICK]
    arguments += ["train.scheduler=constant", f"hydra.run.dir={folder}"]
    program = [Path(sys.executable).with_name(command[0]), *command[1:], *arguments, "train.num_epochs=5000"]
    check_orderly(*terminate_program(program, once=(folder / "last.ckpt").exists))
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
    once, log = (folder / "last.ckpt").exists, tmp_path / "log.txt"
    check_orderly(*terminate("run", *arguments, log=log, once=once, group=group))
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"


def test_a_sweep_ends_with_its_job(data, tmp_path):
    sweep = tmp_path / "sweep"
    arguments = ["-m", f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", *QUICK]
    arguments += ["train.num_epochs=5000", "seed=1,2", f"hydra.sweep.dir={sweep}"]
    check_orderly(*terminate("run", *arguments, log=tmp_path / "log.txt", once=(sweep / "0" / "last.ckpt").exists))
    assert not (sweep / "1").exists()


@pytest.fixture(scope="module")
def model(trained):
    return trained[1]


@pytest.mark.parametrize("group", [False, True], ids=["alone", "with its processes"])
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_maps_made_so_far_are_kept(model, tmp_path, capfd, engine, group):
    data, output = write_chips(tmp_path / "data", count=150), tmp_path / "maps"
    arguments = [
        "mode=chip_inference", f"root_dir={data}", "test_filepath=train.csv", f"checkpoint_path={model}",
        f"output_dir={output}", f"hydra.run.dir={tmp_path / 'run'}", f"engine={engine}", "accelerator=cpu",
    ]  # fmt: skip
    journal = output / JOURNAL
    begun = lambda: journal.exists() and len(journal.read_text().splitlines()) > 10  # noqa: E731
    check_orderly(*terminate("run", *arguments, log=tmp_path / "log.txt", once=begun, group=group))
    assert not list(output.rglob(".*.part.tif"))
    assert main([*arguments, "engine=local"]) == 0
    assert " of 148 predictions were made before and kept" in capfd.readouterr().err
    assert len(list(output.rglob("*.tif"))) == 148


def test_ray_may_still_be_starting(model, tmp_path, short_folder, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(short_folder))
    data = write_chips(tmp_path / "data")
    arguments = [
        "mode=chip_inference", f"root_dir={data}", "test_filepath=train.csv", f"checkpoint_path={model}",
        f"hydra.run.dir={tmp_path / 'run'}", "engine=ray", "accelerator=cpu",
    ]  # fmt: skip

    def ray_starts():
        return any(short_folder.rglob("gcs_server*"))

    check_orderly(*terminate("run", *arguments, log=tmp_path / "log.txt", once=ray_starts))


def test_the_demo_ends_with_the_command_it_runs(warm_command, tmp_path):
    folder, log = tmp_path / "demo", tmp_path / "log"
    demo = running(log, run_demo, warm_command("instageo.cli"), folder)
    status, output, alive = terminate_running(demo, log, (folder / "run" / "last.ckpt").exists)
    assert (status, alive) == (TERMINATED, []), output
    assert "Traceback" not in output


def run_demo(command, folder):
    """Run `instageo demo`, whose commands are forked."""
    from instageo.cli import main as instageo
    from instageo.demo import workflow

    workflow.module_command = lambda _, *arguments: [*command, *arguments]
    sys.argv = ["instageo", "demo", "--folder", str(folder), "--epochs", "5000"]
    instageo()
