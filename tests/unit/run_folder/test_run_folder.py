"""Each run has a folder of its own, and one training at a time."""

from datetime import datetime

import pytest

from instageo.errors import RunFolderError
from instageo.model.run_folder import create as new_folder
from instageo.model.run_folder.claim import claim_folder, lock_folder, remove_results
from instageo.model.settings import Mode, Settings
from instageo.model.settings.compose import update_settings

CONFIGURATION = {"config.yaml": "seed: 1\n"}


def claim(folder, configuration=CONFIGURATION, **values):
    named = {key.replace("__", "."): value for key, value in values.items()}
    return claim_folder(update_settings(Settings(), named), folder, configuration)


@pytest.fixture
def stopped_clock(monkeypatch):
    class Clock(datetime):
        @classmethod
        def now(cls):
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(new_folder, "datetime", Clock)


def test_runs_of_the_same_second_get_folders_of_their_own(stopped_clock, tmp_path):  # pitfall 83
    first, second = new_folder.folder_creator(), new_folder.folder_creator()
    made = [
        first(str(tmp_path)),
        second(str(tmp_path)),
        first(str(tmp_path)),
        new_folder.folder_creator()(str(tmp_path)),
    ]
    names = ["03-04-05", "03-04-05-2", "03-04-05", "03-04-05-3"]
    assert made == [f"{tmp_path}/2026-01-02/{name}" for name in names]
    assert sorted(path.name for path in (tmp_path / "2026-01-02").iterdir()) == sorted(set(names))


def test_other_processes_of_a_run_use_the_folder_of_the_first(stopped_clock, tmp_path, monkeypatch):
    made = new_folder.folder_creator()(str(tmp_path))
    monkeypatch.setenv("RANK", "1")
    assert new_folder.folder_creator()(str(tmp_path)) == made


def test_a_folder_in_use_is_refused_and_unchanged(tmp_path):  # pitfall 83
    with claim(tmp_path):
        told, second = (
            r"is being used by another run \(process .*\); wait for its end, or choose",
            claim(tmp_path, {"a.yaml": ""}),
        )
        with pytest.raises(RunFolderError, match=told), second:
            pass
        assert not (tmp_path / ".hydra" / "a.yaml").exists()
    with claim(tmp_path):
        pass


@pytest.mark.parametrize("name", ["last.ckpt", "instageo_best_checkpoint.ckpt", "history.csv", "metrics.json"])
def test_a_training_into_the_results_of_another_is_refused(tmp_path, name):  # pitfall 83
    (tmp_path / name).touch()
    told = rf"holds results of another run \({name}\); choose another folder .*train.resume=true.*train.overwrite=true"
    with pytest.raises(RunFolderError, match=told), claim(tmp_path):
        pass
    assert not (tmp_path / ".hydra" / "config.yaml").exists()
    with claim(tmp_path, train__overwrite=True):
        assert (tmp_path / name).exists()  # until the new training begins


def test_a_training_continues_its_own_checkpoint_only(tmp_path):
    for name in ("run", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "last.ckpt").touch()
    run, other = tmp_path / "run", tmp_path / "other"
    for resume in (True, str(run), str(run / "last.ckpt")):
        with claim(run, train__resume=resume):
            pass
    with pytest.raises(RunFolderError, match="holds results"), claim(run, train__resume=str(other)):
        pass
    (run / "last.ckpt").rename(run / "instageo_best_checkpoint.ckpt")
    with pytest.raises(RunFolderError, match="holds results"), claim(run, train__resume=True):
        pass


def test_a_failed_run_leaves_a_folder_that_can_be_used(tmp_path):
    for name in ("run.json", "run.log", "broken_rows_train.csv"):
        (tmp_path / name).touch()
    with claim(tmp_path):
        pass


@pytest.mark.parametrize("mode", ["eval", "chip_inference"])
def test_scores_and_maps_of_another_model_do_not_join_a_training(tmp_path, mode):  # pitfall 83
    run, other = tmp_path / "run", tmp_path / "other"
    run.mkdir()
    (run / "last.ckpt").touch()
    for source in (str(other), str(other / "last.ckpt"), "registry:floods/tiny"):
        told = "run: holds another model than checkpoint_path=.*; choose another folder"
        with pytest.raises(RunFolderError, match=told), claim(run, mode=Mode(mode), checkpoint_path=source):
            pass
        with claim(other, mode=Mode(mode), checkpoint_path=source):
            assert (other / ".hydra" / "config.yaml").exists()
    for source in (run, run / "last.ckpt"):
        with claim(run, mode=Mode(mode), checkpoint_path=str(source)):
            assert not (run / ".hydra").exists()  # that of the training stays


def test_half_written_files_of_a_killed_training_are_removed(tmp_path):
    (tmp_path / ".last.ckpt.0123456789ab.part").touch()
    with lock_folder(tmp_path):
        assert not list(tmp_path.glob("*.part"))


def test_results_are_removed_except_one(tmp_path):
    (tmp_path / "tensorboard").mkdir()
    for name in ("run.json", "metrics.csv", "last.ckpt", "instageo_best_checkpoint.ckpt", "mine.txt", "tensorboard/a"):
        (tmp_path / name).touch()
    remove_results(tmp_path, keep="instageo_best_checkpoint.ckpt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["instageo_best_checkpoint.ckpt", "mine.txt"]
