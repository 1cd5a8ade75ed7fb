"""Results of one training never mix with those of another, and never get lost."""

import json
import shutil
import subprocess
import time

import pytest
import torch

import instageo
from instageo.model.networks.checkpoint import read_checkpoint
from tests.forked_calls import running_command
from tests.integration.conftest import QUICK

TABLES = ["train_filepath=train.csv", "valid_filepath=valid.csv"]

STILL = """
import datetime
from hydra.core import utils
from instageo.model.run_folder import create

class Still(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 2, 3, 4, 5, tzinfo=tz)

utils.datetime = create.datetime = Still
from instageo.model.run import main
raise SystemExit(main())
"""


def contents(folder):
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("run.log", ".lock")
    }


def test_a_training_into_a_used_folder_is_refused_and_changes_nothing(trained, run, tmp_path):  # pitfall 83
    data, folder = trained
    shutil.copytree(folder, tmp_path / "run")
    before = contents(tmp_path / "run")
    for arguments in (
        [f"root_dir={data}", *TABLES, *QUICK, "seed=7"],
        ["mode=eval", f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={folder}"],
    ):
        status, _, err = run(*arguments)
        assert status == 1
        assert err.splitlines()[-1].startswith(f"error: {tmp_path / 'run'}: holds ")
    assert contents(tmp_path / "run") == before
    assert "error" not in (tmp_path / "run" / "run.log").read_text()


def test_another_mode_keeps_the_configuration_of_a_training(trained, run, tmp_path):
    data, folder = trained
    shutil.copytree(folder, tmp_path / "run")
    status, _, err = run(
        "mode=eval", f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={tmp_path / 'run'}"
    )
    assert status == 0, err
    for name in ("config.yaml", "hydra.yaml", "overrides.yaml"):
        assert (tmp_path / "run" / ".hydra" / name).read_bytes() == (folder / ".hydra" / name).read_bytes()


def test_a_training_replaces_another_if_told_to(data, run, tmp_path):
    assert run(f"root_dir={data}", *TABLES, *QUICK, "train.num_epochs=3")[0] == 0
    (tmp_path / "run" / "scatter.png").touch()  # of an earlier regression
    status, _, err = run(f"root_dir={data}", *TABLES, *QUICK, "seed=7", "train.overwrite=true")
    assert status == 0, err
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 2
    assert not (tmp_path / "run" / "scatter.png").exists()
    assert len(list((tmp_path / "run" / "tensorboard").glob("events*"))) == 1
    assert read_checkpoint(tmp_path / "run").run["seed"] == 7


def test_a_mistake_in_a_new_training_does_not_cost_the_old_one(data, run, tmp_path):
    assert run(f"root_dir={data}", *TABLES, *QUICK)[0] == 0
    checkpoint = (tmp_path / "run" / "last.ckpt").read_bytes()
    mistaken = ["train_filepath=gone.csv", "valid_filepath=valid.csv", "train.overwrite=true"]
    assert run(f"root_dir={data}", *mistaken, *QUICK)[0] == 1
    assert (tmp_path / "run" / "last.ckpt").read_bytes() == checkpoint


def test_a_training_into_the_folder_of_a_running_one_is_refused(data, run, tmp_path):  # pitfall 83
    folder = tmp_path / "run"
    arguments = [f"root_dir={data}", *TABLES, *QUICK, "train.num_epochs=2000", f"hydra.run.dir={folder}"]
    with running_command(tmp_path / "log.txt", "run", *arguments) as first:
        limit = time.monotonic() + 120
        while not (folder / "last.ckpt").exists() and first.poll() is None and time.monotonic() < limit:
            time.sleep(0.05)
        for more in (["seed=7"], ["train.resume=true"], ["train.overwrite=true"]):
            status, _, err = run(*arguments, *more)
            assert status == 1
            assert f"error: {folder}: is" in err
            assert f"is being used by another run (process {first.pid} on " in err
        assert first.poll() is None
    assert json.loads((folder / "run.json").read_text())["seed"] == 42
    done = len((folder / "history.csv").read_text().splitlines())
    status, _, err = run(*arguments, f"train.num_epochs={done + 1}", "train.resume=true")
    assert status == 0, err
    assert "resuming" in err


def test_trainings_of_the_same_second_have_folders_of_their_own(data, warm_command, tmp_path):  # pitfall 83
    arguments = [f"root_dir={data}", *TABLES, *QUICK]
    (tmp_path / "still.py").write_text(STILL)
    command = [*warm_command("still"), *arguments]
    started = [
        subprocess.Popen([*command, f"seed={seed}"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) for seed in (1, 2)
    ]
    for process in started:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    folders = [tmp_path / "outputs" / "2026-01-02" / name for name in ("03-04-05", "03-04-05-2")]
    assert {read_checkpoint(folder).run["seed"] for folder in folders} == {1, 2}


def test_a_damaged_checkpoint_is_neither_loaded_nor_resumed(data, run, tmp_path):  # pitfall 82
    arguments = [f"root_dir={data}", *TABLES, *QUICK]
    assert run(*arguments)[0] == 0
    for name in ("last.ckpt", "instageo_best_checkpoint.ckpt"):
        path = tmp_path / "run" / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        torch.load(path, weights_only=True)  # sees nothing
    status, _, err = run(*arguments, "train.num_epochs=2", "train.resume=true")
    assert (status, "last.ckpt: is damaged: the checksum of its part " in err) == (1, True)
    with pytest.raises(instageo.InstaGeoError, match=r"checkpoint\.ckpt: is damaged: the checksum of its part "):
        instageo.load_model(tmp_path / "run")
