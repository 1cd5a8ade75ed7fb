"""Runs as they are read from their folders."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from instageo.errors import CheckpointError, ConfigError
from instageo.model.networks.checkpoint import read_checkpoint
from instageo.model.runs.trained_run import check_same_task, read_trained_run, read_trained_runs
from tests.unit.runs.conftest import ENERGY, make_run


def test_the_table_of_the_scores_is_the_test_table_after_mode_eval():
    tables = {"valid_filepath": {"fingerprint": "v"}, "test_filepath": {"fingerprint": "t"}}
    assert make_run("a", metadata={"mode": "train", "tables": tables}).scored_table == "v"
    scored_later = make_run("a", metadata={"mode": "eval", "tables": tables, "total": {"wall_seconds": 3}})
    assert scored_later.scored_table == "t"
    assert scored_later.training_total == {}  # scoring took the 3 seconds


@pytest.mark.parametrize(
    ("settings", "task"),
    [
        ({}, "segmentation"),
        ({"dataloader__label_kind": "chip"}, "chip_classification"),
        ({"dataloader__label_kind": "chip_multi"}, "chip_multilabel"),
        ({"is_reg_task": True}, "regression"),
        ({"is_reg_task": True, "dataloader__label_kind": "chip"}, "chip_regression"),
    ],
)
def test_the_task_of_a_run(settings, task):
    assert make_run("a", **settings).task == task


def test_runs_of_different_tasks_are_rejected():
    with pytest.raises(ConfigError, match=r"b has model\.num_classes=3, a model\.num_classes=2; a report compares"):
        check_same_task(make_run("a"), make_run("b", model__num_classes=3))
    names = {"model__class_names": ["land", "water"]}
    check_same_task(make_run("a"), make_run("b", **names))  # only one of them has names
    with pytest.raises(ConfigError, match=r"class_names"):
        check_same_task(make_run("a", model__class_names=["x", "y"]), make_run("b", **names))


@pytest.fixture
def folder(tmp_path):
    """A run's folder whose network is three numbers."""
    run = {"seed": 7, "train.distillation": True, "train.learning_rate": 0.5}
    section = {"settings": {"model.model_name": "prithvi_eo_tiny"}, "run": run, "metrics": {"val_mIoU": 0.25}}
    path = tmp_path / "run" / "instageo_best_checkpoint.ckpt"
    path.parent.mkdir()
    torch.save({"state_dict": {"net.weight": torch.zeros(3)}, "instageo": section}, path)
    (path.parent / "metrics.json").write_text('{"mIoU": 0.5, "f1": null, "per_class": {"a": {}}}')
    (path.parent / "run.json").write_text(json.dumps({"format": 1} | ENERGY))
    return path.parent


def test_a_run_is_read_from_its_folder(folder):
    run = read_trained_run(folder)
    assert (run.name, run.seed, run.distilled, run.weight_bytes, run.weight_types) == (
        str(folder), 7, True, 12, ("float32",),
    )  # fmt: skip
    assert run.file_bytes == (folder / "instageo_best_checkpoint.ckpt").stat().st_size
    assert run.scores == {"mIoU": 0.5, "f1": None}
    assert run.checkpoint_metrics == {"val_mIoU": 0.25}
    assert (run.settings["train.learning_rate"], run.settings["model.model_name"]) == (0.5, "prithvi_eo_tiny")
    assert run.training_total["energy_kwh"] == 2.0
    shutil.copy(run.path, folder / "copy.ckpt")
    assert read_trained_run(folder / "copy.ckpt").scores is None  # metrics.json belongs to the best checkpoint


def test_settings_missing_in_a_checkpoint_are_read_from_the_file_next_to_it(tmp_path):
    path = tmp_path / "instageo_best_checkpoint.ckpt"
    torch.save({"state_dict": {"net.weight": torch.zeros(3)}}, path)
    (tmp_path / ".hydra").mkdir()
    text = "train: {learning_rate: 0.25}\ncheckpoint_path: 'None'\nunheard_of: 1\n"
    (tmp_path / ".hydra" / "config.yaml").write_text(text)
    assert read_checkpoint(path).run == {"train.learning_rate": 0.25, "checkpoint_path": None}
    assert read_trained_run(path).seed is None


def test_unreadable_runs_are_rejected_in_one_sentence(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for source, message in {"none": "does not exist", "empty": "has no instageo_best_checkpoint.ckpt"}.items():
        with pytest.raises(CheckpointError, match=f"{source}: {message}; expected the folder of a training run"):
            read_trained_runs([tmp_path / source])
    with pytest.raises(ConfigError, match="is listed twice"):
        read_trained_runs([folder, folder / "instageo_best_checkpoint.ckpt"])
    (folder / "metrics.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"metrics\.json: is not valid JSON"):
        read_trained_runs([folder])


def test_a_teacher_counts_once(folder):
    assert len(read_trained_runs([folder], folder)) == 1
    shutil.copytree(folder, folder.parent / "other")
    assert [Path(run.name).name for run in read_trained_runs([folder], folder.parent / "other")] == ["other", "run"]


@pytest.mark.parametrize("text", ["[1]", "[" * 100_000, '{"a": ' + "9" * 5000 + "}", "{"])
def test_damaged_scores_are_one_sentence(folder, text):
    (folder / "metrics.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"metrics\.json: .*; score the run again with mode=eval") as caught:
        read_trained_run(folder)
    assert len(str(caught.value)) < 400
