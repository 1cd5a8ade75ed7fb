"""Commands of trainings on folds, what is done already, and folders that hold something else."""

import json

import pytest

from instageo.errors import ConfigError
from instageo.model.cross_validation.folds import FoldTables
from instageo.model.cross_validation.jobs import IDENTITY_FILE, build_jobs, claim_jobs

SETTINGS = ("--config-name=sen1floods11", "root_dir=/data", "train.num_epochs=3", "checkpoint_path=w.ckpt", "devices=1")


@pytest.fixture
def folds(tmp_path):
    """Two folds with tables."""
    made = []
    for name in ("a", "b"):
        folder = tmp_path / "folds" / name
        folder.mkdir(parents=True)
        for table in ("train", "val", "test"):
            (folder / f"{table}.csv").write_text(f"Input\n{name}_{table}.tif\n")
        made.append(FoldTables(name, "/data", folder / "train.csv", folder / "val.csv", folder / "test.csv"))
    return made


def finish(folder, mode, checkpoint=None, **content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"format": 1, "mode": mode, "status": "finished", **content}))
    (folder / (checkpoint or "metrics.json")).write_text("{}")


def test_every_fold_is_trained_with_every_seed(folds, tmp_path):
    jobs = build_jobs(folds, [4, 2], SETTINGS, tmp_path / "out")
    assert [job.name for job in jobs] == ["a, seed 4", "b, seed 4", "a, seed 2", "b, seed 2"]
    assert jobs[1].folder == tmp_path / "out" / "b" / "seed_4"
    folder = tmp_path / "folds" / "b"
    assert jobs[1].training_command() == [
        "--config-name=sen1floods11", "train.num_epochs=3", "checkpoint_path=w.ckpt", "devices=1", "root_dir=/data",
        f"train_filepath={folder}/train.csv", f"valid_filepath={folder}/val.csv", "seed=4",
        f"hydra.run.dir={jobs[1].folder}", "train.overwrite=true",
    ]  # fmt: skip
    [alone] = build_jobs(folds[:1], [], SETTINGS, tmp_path / "out")
    assert (alone.name, alone.folder) == ("a", tmp_path / "out" / "a" / "run")
    assert not [each for each in alone.training_command() if each.startswith("seed=")]


def test_scores_are_those_of_the_best_checkpoint_on_the_test_chips(folds, tmp_path):
    [job] = build_jobs(folds[:1], [], [*SETTINGS, "train.batch_size=2"], tmp_path / "out")
    assert job.scoring_command() == [
        "--config-name=sen1floods11", "train.batch_size=2", "mode=eval", "root_dir=/data",
        f"train_filepath={folds[0].train}", f"test_filepath={folds[0].test}", f"checkpoint_path={job.folder}",
        f"hydra.run.dir={job.folder / 'test'}",
    ]  # fmt: skip


def test_what_is_done_is_known_and_what_was_interrupted_goes_on(folds, tmp_path):
    [job] = build_jobs(folds[:1], [], (), tmp_path / "out")
    assert (job.is_trained, job.is_scored) == (False, False)
    job.folder.mkdir(parents=True)
    (job.folder / "last.ckpt").write_text("")
    assert job.training_command()[-1] == "train.resume=true"
    finish(job.folder, "train", "instageo_best_checkpoint.ckpt", status="interrupted")
    assert not job.is_trained
    finish(job.folder, "train", "instageo_best_checkpoint.ckpt")
    assert (job.is_trained, job.is_scored) == (True, False)
    finish(job.test_folder, "eval")
    assert (job.is_trained, job.is_scored) == (True, True)
    (job.folder / "instageo_best_checkpoint.ckpt").unlink()
    assert (job.is_trained, job.is_scored) == (False, False)


@pytest.mark.parametrize(
    ("setting", "seeds", "message"),
    [
        (
            "train_filepath=x.csv",
            (),
            "train_filepath=x.csv has no place in a cross-validation: the tables are those of",
        ),
        ("+mode=eval", (), "mode=eval has no place in a cross-validation: each fold is trained and scored; remove it"),
        ("hydra.run.dir=x", (), "name the folder of all runs with --output"),
        ("train.resume=true", (), "trainings that were interrupted continue by themselves"),
        ("-m", (), "-m has no place in a cross-validation, whose runs are its folds"),
        ("--cfg=job", (), "--cfg=job has no place in a cross-validation, whose runs are its folds"),
        ("seed=3", (1,), "seed=3 and --seeds contradict each other; remove one of them"),
    ],
)
def test_settings_that_a_cross_validation_makes_itself_are_refused(folds, tmp_path, setting, seeds, message):
    with pytest.raises(ConfigError, match=message.replace("+", r"\+")):
        build_jobs(folds, seeds, [setting], tmp_path)


def test_a_folder_with_another_training_is_refused(folds, tmp_path):
    def jobs(*settings):
        return build_jobs(folds, [1], settings, tmp_path / "out")

    claim_jobs(jobs("train.num_epochs=3", "compile=true", "model.depth=1"))
    claim_jobs(
        jobs("model.depth=1", "compile=false", "root_dir=/elsewhere", "train.num_epochs=3")
    )  # scores are the same
    with pytest.raises(
        ConfigError,
        match=r"out/a/seed_1: was trained with train.num_epochs=3, but you passed train.num_epochs=4; choose",
    ):
        claim_jobs(jobs("train.num_epochs=4", "model.depth=1"))
    with pytest.raises(ConfigError, match=r"was trained with fewer settings, but you passed train.learning_rate=1"):
        claim_jobs(jobs("train.num_epochs=3", "model.depth=1", "train.learning_rate=1"))
    folds[1].test.write_text("Input\nother.tif\n")
    with pytest.raises(ConfigError, match=r"out/b/seed_1: was trained on other chips: test\.csv differ"):
        claim_jobs(jobs("train.num_epochs=3", "model.depth=1"))
    (tmp_path / "out" / "a" / "seed_1" / IDENTITY_FILE).write_text("[1")
    with pytest.raises(ConfigError, match=r"its fold\.json is damaged, so that its settings are unknown"):
        claim_jobs(jobs("train.num_epochs=3", "model.depth=1"))


def test_a_training_of_its_own_is_refused(folds, tmp_path):
    [job] = build_jobs(folds[:1], [], (), tmp_path / "out")
    job.folder.mkdir(parents=True)
    (job.folder / "last.ckpt").write_text("")
    with pytest.raises(
        ConfigError, match=r"out/a/run: holds a training of its own; choose another folder with --output"
    ):
        claim_jobs([job])
