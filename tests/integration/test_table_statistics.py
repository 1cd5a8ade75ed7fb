"""Statistics and weights of the training table, from `auto` on the command line to the checkpoint and its use."""

import json

import numpy as np
import pytest
import torch

from instageo.model.inspection.class_weights import compute_class_weights
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster
from tests.integration.conftest import QUICK, write_chips

BEST = "instageo_best_checkpoint.ckpt"


def settings_of(folder):
    return torch.load(folder / BEST, weights_only=True)["instageo"]["settings"]


def pixels_of(data, numbers):
    """Return the valid pixels of chips (6, N), and their labels."""
    chips = [read_raster(data / f"chips/chip_{number}.tif").values for number in numbers]
    labels = [read_raster(data / f"labels/label_{number}.tif").values[0] for number in numbers]
    masks = [(chip != -9999).all(axis=0) for chip in chips]
    values = np.concatenate([chip[:, mask] for chip, mask in zip(chips, masks, strict=True)], axis=1)
    return values.astype(float), np.concatenate([label[mask] for label, mask in zip(labels, masks, strict=True)])


@pytest.fixture
def yaml(tmp_path, data):
    """Write a configuration that takes statistics and weights from the table."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.yaml").write_text(
        "defaults: [config, _self_]\n"
        f"root_dir: {data}\ntrain_filepath: train.csv\nvalid_filepath: valid.csv\ntest_filepath: test.csv\n"
        "train: {class_weights: sqrt}\ndataloader: {mean: auto, std: auto}\n"
    )
    return f"--config-dir={tmp_path / 'configs'}", "--config-name=mine"


def test_statistics_of_the_table_are_computed_stored_and_used(data, run, tmp_path, yaml):  # pitfalls 10, 19
    status, _, err = run(*yaml, *QUICK)
    assert status == 0, err
    values, labels = pixels_of(data, range(4))
    stored = settings_of(tmp_path / "run")
    np.testing.assert_allclose(stored["dataloader.mean"], values.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(stored["dataloader.std"], values.std(axis=1), rtol=1e-9)
    counts = np.bincount(labels, minlength=2)
    np.testing.assert_allclose(stored["train.class_weights"], compute_class_weights(counts.tolist(), "sqrt"))
    assert (np.array(stored["train.class_weights"]) * counts).sum() == pytest.approx(counts.sum())
    scores = (tmp_path / "run" / "metrics.json").read_text()

    checkpoint = f"checkpoint_path={tmp_path / 'run'}"
    status, _, err = run("mode=eval", *yaml, checkpoint, "test_filepath=valid.csv", folder="again")  # the same YAML
    assert status == 0, err
    assert (tmp_path / "again" / "metrics.json").read_text() == scores
    status, _, err = run("mode=chip_inference", *yaml, checkpoint, f"output_dir={tmp_path / 'maps'}", folder="maps_run")
    assert status == 0, err
    plain = ["mode=chip_inference", f"root_dir={data}", "test_filepath=test.csv", checkpoint]
    status, _, err = run(*plain, f"output_dir={tmp_path / 'plain'}", folder="plain_run")
    assert status == 0, err
    one, other = (next((tmp_path / name).rglob("*.tif")) for name in ("maps", "plain"))
    assert one.read_bytes() == other.read_bytes()


def test_auto_and_explicit_statistics_give_the_same_training(data, run, tmp_path):  # pitfall 10
    common = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", *QUICK]
    status, out, err = run("mode=stats", *common[:2], folder="stats")
    assert status == 0, err
    stats = json.loads(out.splitlines()[-1])
    variants = {
        "auto": ["dataloader.mean=auto", "train.class_weights=inverse"],
        "explicit": [
            f"dataloader.mean={stats['mean']}", f"dataloader.std={stats['std']}",
            f"train.class_weights={stats['class_weights']}",
        ],
    }  # fmt: skip
    for name, more in variants.items():
        status, _, err = run(*common, *more, folder=name)
        assert status == 0, err
    first, second = (torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"] for name in variants)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_caches_and_workers_do_not_change_the_training(data, run, tmp_path):  # pitfall 31
    common = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", *QUICK]
    common += ["dataloader.sampler=balanced", "dataloader.img_size=16", "dataloader.augmentations.noise.use=true"]
    states = []
    for cache, workers in (("none", 0), ("memory", 2), ("disk", 1), ("disk", 0)):
        folder = f"{cache}{workers}"
        more = [f"dataloader.cache={cache}", f"dataloader.num_workers={workers}"]
        status, _, err = run(*common, *more, folder=folder)
        assert status == 0, err
        states.append(torch.load(tmp_path / folder / "last.ckpt", weights_only=True)["state_dict"])
    for state in states[1:]:
        assert all(torch.equal(state[key], states[0][key]) for key in state)


def test_training_reports_shared_chips(data, run):
    tables = ["train_filepath=train.csv", "valid_filepath=train.csv"]
    status, _, err = run(f"root_dir={data}", *tables, *QUICK)
    assert status == 0, err
    assert "4 chips are in both train.csv and train.csv, so scores will be too good" in err


def test_a_constant_band_is_an_error(tmp_path, run):  # pitfall 10
    data = write_chips(tmp_path / "flat")
    for path in (data / "chips").iterdir():
        chip = read_raster(path)
        chip.values[2] = 7
        write_raster(path, chip.values, chip.grid)
    tables = ["train_filepath=train.csv", "valid_filepath=valid.csv", "dataloader.mean=auto"]
    status, _, err = run(f"root_dir={data}", *tables, *QUICK)
    assert status == 1
    assert "Traceback" not in err
    assert "RED is constant in all chips, so it cannot be normalised" in err


@pytest.mark.parametrize("mode", ["eval", "chip_inference"])
def test_statistics_of_another_table_contradict_a_checkpoint(trained, run, mode):
    data, folder = trained
    arguments = [f"mode={mode}", f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={folder}"]
    status, _, err = run(*arguments, "dataloader.mean=[1,1,1,1,1,1]", "dataloader.std=[1,1,1,1,1,1]")
    assert status == 1
    assert "was trained with dataloader.mean" in err
