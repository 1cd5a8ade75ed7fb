"""From which checkpoint a run resumes, and which ones it refuses."""

import logging
import os
from dataclasses import replace

import pytest
import torch

from instageo.errors import CheckpointError
from instageo.model.networks.checkpoint import EARLIER_LIGHT, LIGHT_KEY, checkpoint_metadata
from instageo.model.settings import ModelSettings, Scheduler, Settings, TrainSettings
from instageo.model.settings.compose import settings_to_yaml
from instageo.model.training.checkpoint_io import AtomicCheckpointIO
from instageo.model.training.resume import find_resume_checkpoint


def settings(**train):
    return replace(Settings(), train=replace(TrainSettings(), **train))


def write_last(folder, run, *, epoch=1, without=(), state_dict=None, **section):
    """Write `last.ckpt` of a run that has finished `epoch` + 1 epochs, and its `.hydra/config.yaml`."""
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text(settings_to_yaml(run))
    content = {"epoch": epoch, "optimizer_states": [], "state_dict": state_dict or {}} | checkpoint_metadata(
        run, run, None, {}
    )
    content["instageo"] |= section
    torch.save({key: value for key, value in content.items() if key not in without}, folder / "last.ckpt")
    return folder / "last.ckpt"


def test_nothing_is_resumed_unless_asked(tmp_path):
    write_last(tmp_path / "run", settings())
    assert find_resume_checkpoint(settings(resume=False), tmp_path / "run") is None


def test_true_prefers_the_runs_own_folder(tmp_path):
    own = write_last(tmp_path / "day" / "one", settings())
    newer = write_last(tmp_path / "day" / "two", settings())
    os.utime(newer, (2e9, 2e9))
    assert find_resume_checkpoint(settings(resume=True), own.parent) == own


def test_true_finds_the_newest_run_of_the_same_settings(tmp_path, caplog):
    older = write_last(tmp_path / "day1" / "a", settings())
    newer = write_last(tmp_path / "day2" / "b", settings())
    other = write_last(tmp_path / "day2" / "c", settings(learning_rate=0.5))
    nameless = write_last(tmp_path / "day2" / "d", settings())
    (nameless.parent / ".hydra" / "config.yaml").unlink()
    for path, time in ((older, 3e9), (newer, 4e9), (other, 5e9), (nameless, 5e9)):
        os.utime(path, (time, time))
    new_run = tmp_path / "day3" / "e"
    assert find_resume_checkpoint(settings(resume=True), new_run) == newer
    os.utime(older, (6e9, 6e9))
    assert find_resume_checkpoint(settings(resume=True), new_run) == older
    assert not any(record.levelno == logging.WARNING for record in caplog.records)
    assert find_resume_checkpoint(settings(resume=True, learning_rate=0.125), new_run) is None
    assert caplog.messages[-1].startswith("train.resume=true: no last.ckpt of these settings near")


def test_a_path_is_a_file_or_its_folder(tmp_path):
    path = write_last(tmp_path / "run", settings())
    for named in (path, path.parent):
        assert find_resume_checkpoint(settings(resume=str(named)), tmp_path / "new") == path
    with pytest.raises(CheckpointError, match=f"train.resume={tmp_path}/x: the file does not exist"):
        find_resume_checkpoint(settings(resume=f"{tmp_path}/x"), tmp_path)


def test_the_head_of_an_earlier_version_is_known_by_its_tensors(tmp_path):
    def of_head(head):
        return replace(settings(resume=True), model=replace(ModelSettings(), head=head))

    earlier, name = next(iter(EARLIER_LIGHT.items()))
    tensors = dict.fromkeys((f"net.{LIGHT_KEY}", f"net.{earlier}"), torch.zeros(1))
    path = write_last(tmp_path / "run", of_head("light"), state_dict=tensors)
    assert find_resume_checkpoint(of_head(name), path.parent) == path
    with pytest.raises(CheckpointError, match=f"its run has model.head={name}, but you passed model.head=light"):
        find_resume_checkpoint(of_head("light"), path.parent)


def test_a_path_may_start_with_the_home_folder(tmp_path, monkeypatch):
    path = write_last(tmp_path / "run", settings())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_resume_checkpoint(settings(resume="~/run"), tmp_path / "new") == path


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ({"learning_rate": 0.5}, "its run has train.learning_rate=0.0001, but you passed train.learning_rate=0.5"),
        ({"num_epochs": 1}, "its run has finished 2 epochs, but you passed train.num_epochs=1; pass 2 or more"),
    ],
)
def test_other_settings_are_refused(run, reason, tmp_path):
    path = write_last(tmp_path / "run", settings(learning_rate=0.0001))
    with pytest.raises(CheckpointError) as error:
        find_resume_checkpoint(settings(resume=str(path), **{"learning_rate": 0.0001} | run), tmp_path)
    assert str(error.value).startswith(f"{path}: {reason}")


def test_a_run_of_an_earlier_version_is_resumed_in_its_number_format(tmp_path):
    path = write_last(tmp_path / "day" / "run", replace(settings(), precision="32-true"))
    for resume in (True, str(path)):
        wanted = settings(resume=resume)
        assert wanted.precision == "auto"
        assert find_resume_checkpoint(wanted, tmp_path / "day" / "new") == path
    other = replace(settings(resume=str(path)), precision="bf16-mixed")
    with pytest.raises(CheckpointError, match="its run has precision=32-true, but you passed precision=bf16-mixed"):
        find_resume_checkpoint(other, tmp_path)


def test_weights_alone_are_refused(tmp_path):
    path = write_last(tmp_path / "run", settings(), without=["optimizer_states"])
    with pytest.raises(CheckpointError, match="contains weights only"):
        find_resume_checkpoint(settings(resume=str(path)), tmp_path)


@pytest.mark.parametrize(
    ("train", "is_refused"), [({}, False), ({"ema_decay": 0.5}, True), ({"scheduler": Scheduler.plateau}, True)]
)
def test_averages_and_plateaus_of_an_earlier_format_are_refused(train, is_refused, tmp_path):
    earlier = write_last(tmp_path / "earlier", settings(**train), format=1)
    present = write_last(tmp_path / "present", settings(**train))
    assert find_resume_checkpoint(settings(resume=str(present), **train), tmp_path) == present
    asked = settings(resume=str(earlier), **train)
    if is_refused:
        with pytest.raises(CheckpointError, match="was written by an earlier version"):
            find_resume_checkpoint(asked, tmp_path)
    else:
        assert find_resume_checkpoint(asked, tmp_path) == earlier


def test_a_checkpoint_without_metadata_or_epoch_is_at_its_beginning(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = write_last(tmp_path / "run", settings(), without=["instageo", "epoch"])
    assert find_resume_checkpoint(settings(resume=str(path), ema_decay=0.5), tmp_path) == path
    assert caplog.messages[-1] == f"resuming {path} after epoch 0 of 10"


@pytest.mark.parametrize(
    ("epochs", "message"), [(2, "has finished all 2 epochs; nothing is left to train"), (3, "after epoch 2 of 3")]
)
def test_how_much_is_left_is_logged(epochs, message, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path = write_last(tmp_path / "run", settings())
    find_resume_checkpoint(settings(resume=str(path), num_epochs=epochs), tmp_path)
    assert str(path) in caplog.messages[-1]
    assert caplog.messages[-1].endswith(message)


def test_checkpoints_are_written_read_and_removed(tmp_path):
    files, path = AtomicCheckpointIO(), tmp_path / "a.ckpt"
    files.save_checkpoint({"epoch": 3}, str(path))
    assert files.load_checkpoint(str(path)) == {"epoch": 3}
    files.remove_checkpoint(str(path))
    files.remove_checkpoint(str(path))
    assert not path.exists()
    path.write_text("not tensors")
    with pytest.raises(CheckpointError, match="not a PyTorch file"):
        files.load_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"instageo": {"run": "abc"}}, "its run are a str; expected values by name"),
        ({"instageo": {"run": {"seed": 1}, "format": "x"}}, "its format or epoch is not a whole number"),
        ({"epoch": [1]}, "its format or epoch is not a whole number"),
        ({"state_dict": {5: torch.zeros(1)}}, "have the key 5, a int; expected text"),
        ({"state_dict": [1]}, "its weights are a list; expected tensors by name"),
    ],
)
def test_a_tampered_checkpoint_is_refused_in_one_sentence(tmp_path, change, words):
    path = write_last(tmp_path / "run", settings())
    torch.save(torch.load(path, weights_only=True) | change, path)
    with pytest.raises(CheckpointError, match=words):
        find_resume_checkpoint(settings(resume=str(path)), tmp_path / "new")
