"""`instageo cv` on folds: trainings and scores are those of `instageo run`, finished ones are not run again."""

import json
import shutil

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from instageo.cli import app
from instageo.errors import InstaGeoError
from instageo.model.run import main
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster
from instageo.table import write_table
from tests.integration.conftest import QUICK, write_chips

SETTINGS = [*QUICK, "logger=none"]


def write_folds(folder, *, count=3, per_fold=2, val=True):
    """Write chips and folds of them: each has one chip per other fold to train on, the next fold's to validate on."""
    write_chips(folder, count=count * per_fold)
    parts = [range(number, count * per_fold, count) for number in range(count)]
    for number in range(count):
        following = (number + 1) % count
        tables = {"test": [number], "train": [each for each in range(count) if each not in (number, following)]}
        tables |= {"val": [following]} if val else {"train": [each for each in range(count) if each != number]}
        for name, chosen in tables.items():
            rows = [
                {"Input": f"../../chips/chip_{chip}.tif", "Label": f"../../labels/label_{chip}.tif"}
                for part in chosen
                for chip in parts[part]
            ]
            (folder / "folds" / f"fold_{number + 1}").mkdir(parents=True, exist_ok=True)
            write_table(folder / "folds" / f"fold_{number + 1}" / f"{name}.csv", rows)
    return folder / "folds"


def cross_validate(*arguments):
    """Run the command in this process, and return the JSON that it prints and what it logs."""
    result = CliRunner().invoke(app, ["cv", *map(str, arguments), "--json"])
    if isinstance(result.exception, InstaGeoError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), result.stderr


def read_json(path):
    return json.loads(path.read_text())


def leaves(content, name=""):
    """Return the values of nested lists and dictionaries by their path."""
    if not isinstance(content, dict | list):
        return {name: content}
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    return {path: leaf for key, part in pairs for path, leaf in leaves(part, f"{name}/{key}").items()}


def nearly(content):
    """Return `leaves` with numbers that compare approximately: processes with other numbers of threads add in another
    order, so last digits differ."""
    return {
        path: pytest.approx(leaf, abs=1e-3) if isinstance(leaf, float) else leaf
        for path, leaf in leaves(content).items()
    }


@pytest.fixture
def one_thread(monkeypatch):
    """Compute with one thread here and in child processes, so that sums have one order however busy the cores are."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_folds_are_trained_and_scored_as_by_hand_and_only_once(warm_command, tmp_path, monkeypatch):
    monkeypatch.setattr("instageo.model.commands.cross_validate.INSTAGEO_RUN", warm_command("instageo.model.run"))
    folds = write_folds(tmp_path / "data")
    shutil.rmtree(folds / "fold_3")
    output = tmp_path / "out"
    arguments = [folds, *SETTINGS, "--output", output, "--seeds", "2", "--jobs", "2"]
    content, log = cross_validate(*arguments)
    assert log.count(": done in ") == 2
    assert "fold_1: 1 of 2 test chips overlap or touch training chips, so its scores are too good" in log
    assert (content["main_score"], content["seeds"], list(content["folds"])) == ("mIoU", [2], ["fold_1", "fold_2"])
    fold = folds / "fold_2"
    tables = [f"root_dir={fold}", f"train_filepath={fold}/train.csv", f"valid_filepath={fold}/val.csv", "seed=2"]
    assert main([*tables, *SETTINGS, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    test = [f"root_dir={fold}", f"test_filepath={fold}/test.csv", "accelerator=cpu"]
    assert main(["mode=eval", *test, f"checkpoint_path={tmp_path / 'run'}", f"hydra.run.dir={tmp_path / 'eval'}"]) == 0
    scores = read_json(tmp_path / "eval" / "metrics.json")
    [by_hand] = content["folds"]["fold_2"]
    for name in ("mIoU", "accuracy", "per_class"):
        assert leaves({name: by_hand["scores"][name]}) == nearly({name: scores[name]})
    assert (by_hand["test_chips"], by_hand["labels"]) == (2, 2 * (32 * 32 - 4 * 4))
    confusion = sum(
        np.array(read_json(output / name / "seed_2" / "test" / "metrics.json")["confusion_matrix"])
        for name in content["folds"]
    )
    accuracy, values = (
        content["scores"]["accuracy"],
        [runs[0]["scores"]["accuracy"] for runs in content["folds"].values()],
    )
    assert accuracy["pooled"]["values"] == pytest.approx([confusion.trace() / confusion.sum()])
    assert accuracy["mean_of_folds"]["mean"] == pytest.approx(np.mean(values))
    assert accuracy["mean_of_folds"]["std"] == pytest.approx(np.std(values, ddof=1))
    assert {path.name for path in output.iterdir() if path.is_file()} >= {"cv.json", "cv.csv", "cv_report.md", "cv.png"}
    trained = (output / "fold_1" / "seed_2" / "last.ckpt").stat().st_mtime_ns
    (output / "fold_2" / "seed_2" / "test" / "metrics.json").unlink()
    again, log = cross_validate(*arguments)
    assert leaves(again) == nearly(content)
    assert "1 of 2 trainings are finished already" in log
    assert log.count(": done in ") == 1
    assert (output / "fold_1" / "seed_2" / "last.ckpt").stat().st_mtime_ns == trained


def test_a_mistake_ends_at_the_first_of_two_folds_and_the_same_command_goes_on(warm_command, tmp_path, monkeypatch):
    folds = write_folds(tmp_path / "data", count=2, val=False)
    for path in (tmp_path / "data" / "labels").iterdir():
        label = read_raster(path)
        write_raster(path, label.values.astype(np.float32) * 3, label.grid)
    broken = tmp_path / "data" / "labels" / "label_1.tif"
    kept = broken.read_bytes()
    broken.write_bytes(b"nothing")
    output = tmp_path / "out"
    arguments = [folds, *SETTINGS, "is_reg_task=true", "--output", output]
    with pytest.raises(InstaGeoError, match=r"fold_1: .*label_1\.tif.*; see .*fold_1/run/training\.log"):
        cross_validate(*arguments)
    assert not (output / "fold_2" / "run" / "training.log").exists()  # it would fail, too
    broken.write_bytes(kept)
    monkeypatch.setattr("instageo.model.commands.cross_validate.INSTAGEO_RUN", warm_command("instageo.model.run"))
    content, log = cross_validate(*arguments, "--jobs", "2")
    assert "the best epoch of each is chosen on a fifth of its training chips, held out" in log
    assert (content["task"], content["main_score"], content["per_class"]) == ("regression", "rmse", {})
    errors = [runs[0]["scores"]["rmse"] for runs in content["folds"].values()]
    assert content["scores"]["rmse"]["mean_of_folds"]["mean"] == pytest.approx(np.mean(errors))
    assert content["scores"]["rmse"]["pooled"]["mean"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))


def test_scoring_compares_with_the_training_chips_if_they_can_be_read(trained, run, tmp_path):
    data, folder = trained
    where = ["mode=eval", f"root_dir={data}", f"checkpoint_path={folder}", "accelerator=cpu", "test_filepath=valid.csv"]
    status, _, err = run(*where, "train_filepath=train.csv", folder="near")
    assert status == 0, err
    assert "1 of 1 chip of valid.csv overlaps or touches chips of train.csv, so scores will be too good" in err
    separation = read_json(tmp_path / "near" / "run.json")["tables"]["test_filepath"]["separation"]["train_filepath"]
    assert separation["nearest_chips"] == ["chips/chip_4.tif", "chips/chip_3.tif"]
    status, _, err = run(*where, "train_filepath=none.csv", folder="unknown")
    assert status == 0, err
    assert "scored chips are not compared with training chips: table 'none.csv' does not exist" in err
    assert read_json(tmp_path / "near" / "metrics.json") == read_json(tmp_path / "unknown" / "metrics.json")
