"""Regression from table to map: natural units everywhere outside the loss."""

import csv
import json
import math

import numpy as np
import pytest
import torch
from affine import Affine
from matplotlib.image import imread

from instageo import load_model
from instageo.raster.grid import Grid
from instageo.raster.reading import read_info, read_raster
from instageo.raster.writing import write_raster
from instageo.table import write_table
from tests.integration.conftest import QUICK

SIDE = 32
TASK = ["is_reg_task=true", "dataloader.mean=auto", "train.num_epochs=2"]


def write_values(folder, *, count=6, side=SIDE, sparse=False):
    """Write chips whose label, 0 to 400, shows in every band; one corner is no-data, one row unlabelled."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        label = rng.uniform(0, 400, (side // 8, side // 8)).repeat(8, 0).repeat(8, 1).astype(np.float32)
        image = (label * 5 + rng.normal(600, 30, (6, side, side))).astype(np.int16)
        image[:, :4, :4] = -9999
        label[8] = -1
        if sparse:
            label[rng.random(label.shape) > 0.02] = -1
        grid = Grid("EPSG:32614", Affine(30, 0, 500_000 + 960 * number, 0, -30, 4_000_000), side, side)
        row = {"Input": f"chips/chip_{number}.tif", "Label": f"labels/label_{number}.tif"}
        write_raster(folder / row["Input"], image, grid)
        write_raster(folder / row["Label"], label[None], grid)
        rows.append(row)
    for name, part in {"train": rows[:-2], "valid": rows[-2:]}.items():
        write_table(folder / f"{name}.csv", part)
    return folder


@pytest.fixture
def values(tmp_path):
    return write_values(tmp_path / "data")


def tables(data):
    return [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]


@pytest.mark.parametrize(
    "chosen",
    [
        [],
        ["model.use_log_scale=true", "train.loss=huber"],
        ["train.loss={quantile: {quantiles: [0.1, 0.5]}}", "model.head=light"],
        ["train.loss=gaussian_nll", "model.use_log_scale=true", "dataloader.label_mean=0", "dataloader.label_std=1"],
    ],
)
def test_scores_equal_those_of_the_written_maps_in_natural_units(values, run, tmp_path, chosen):  # pitfalls 3, 6, 20
    assert run(*tables(values), *QUICK, *TASK, "model.include_ee_metric=true", *chosen, folder="trained")[0] == 0
    trained = tmp_path / "trained"
    assert {"metrics.json", "metrics.csv", "scatter.png", "learning_curve.png"} <= {p.name for p in trained.iterdir()}
    checkpoint = f"checkpoint_path={trained}"
    common = [f"root_dir={values}", "test_filepath=valid.csv", checkpoint]
    assert run("mode=eval", *common, folder="eval")[0] == 0
    assert run("mode=chip_inference", *common, f"output_dir={tmp_path / 'maps'}", folder="maps_run")[0] == 0
    truth, predicted = [], []
    for number in (4, 5):
        written = read_raster(tmp_path / "maps" / "chips" / f"prediction_{number}.tif")
        label = read_raster(values / "labels" / f"label_{number}.tif").values[0]
        assert written.values.dtype == np.float32
        assert read_info(tmp_path / "maps" / "chips" / f"prediction_{number}.tif").grid == written.grid
        assert not written.valid[:, :4, :4].any()
        assert written.valid.sum() == len(written.values) * (SIDE**2 - 16)
        counted = written.valid[0] & (label != -1)
        truth.append(label[counted].astype(float))
        predicted.append(written.values[0][counted].astype(float))
    truth, predicted = np.concatenate(truth), np.concatenate(predicted)
    error = predicted - truth
    scores = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert scores["count"] == len(truth) == 2 * (SIDE**2 - 16 - SIDE)
    assert scores["rmse"] == pytest.approx(math.sqrt((error**2).mean()), rel=1e-5)
    assert scores["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert scores["bias"] == pytest.approx(error.mean(), rel=1e-4)
    assert scores["r2"] == pytest.approx(1 - (error**2).sum() / ((truth - truth.mean()) ** 2).sum(), rel=1e-4)
    assert scores["pearson"] == pytest.approx(np.corrcoef(truth, predicted)[0, 1], rel=1e-4)
    assert scores["expected_error"] == pytest.approx((np.abs(error) <= 0.05 + 0.15 * truth).mean(), abs=2e-3)
    best = json.loads((trained / "metrics.json").read_text())
    assert best["rmse"] == pytest.approx(scores["rmse"], rel=1e-6)
    with open(trained / "history.csv", newline="") as file:
        assert min(float(row["val_rmse"]) for row in csv.DictReader(file)) == pytest.approx(best["rmse"], rel=1e-5)
    assert imread(trained / "scatter.png").shape[2] == 4


def test_quantiles_are_written_in_order(values, run, tmp_path):
    chosen = ["train.loss={quantile: {quantiles: [0.1, 0.5, 0.9]}}"]
    assert run(*tables(values), *QUICK, *TASK, *chosen, folder="trained")[0] == 0
    prediction = load_model(tmp_path / "trained").predict(values / "chips" / "chip_0.tif")
    assert list(prediction.quantiles) == [0.1, 0.9]
    low, high = (prediction.quantiles[level][prediction.valid] for level in (0.1, 0.9))
    middle = prediction.values[prediction.valid]
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert np.isnan(prediction.values[~prediction.valid]).all()
    arguments = [f"root_dir={values}", "test_filepath=valid.csv", f"checkpoint_path={tmp_path / 'trained'}"]
    assert run("mode=chip_inference", *arguments, f"output_dir={tmp_path / 'maps'}", folder="maps_run")[0] == 0
    written = read_raster(tmp_path / "maps" / "chips" / "prediction_4.tif")
    assert written.bands == ("value", "quantile_0.1", "quantile_0.9")
    info = read_info(tmp_path / "maps" / "chips" / "prediction_4.tif")
    assert np.isnan(info.no_data_value)
    other = "train.loss={quantile: {quantiles: [0.05, 0.5, 0.95]}}"
    status, _, err = run("mode=chip_inference", *arguments, other, folder="other")
    assert status == 1
    assert "remove train.loss, it is read from the checkpoint" in err


def test_sparse_labels_train_and_score(tmp_path, run):  # pitfall 21
    data = write_values(tmp_path / "data", sparse=True)
    chosen = ["dataloader.augmentations.rotate.use=true", "dataloader.augmentations.date_dropout.use=true"]
    assert run(*tables(data), *QUICK, *TASK, *chosen)[0] == 0
    scores = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert 5 < scores["count"] < 100
    assert math.isfinite(scores["rmse"])
    assert "expected_error" not in scores


def test_scale_and_outputs_are_read_from_the_checkpoint(values, run, tmp_path):
    assert run(*tables(values), *QUICK, *TASK, "model.use_log_scale=true", folder="trained")[0] == 0
    stored = torch.load(tmp_path / "trained" / "instageo_best_checkpoint.ckpt", weights_only=True)["instageo"][
        "settings"
    ]
    assert stored["is_reg_task"] is True
    assert stored["model.use_log_scale"] is True
    labels = [read_raster(values / "labels" / f"label_{number}.tif").values[0] for number in range(4)]
    chips = [read_raster(values / "chips" / f"chip_{number}.tif").values[0] for number in range(4)]
    counted = [np.log1p(label[(label != -1) & (chip != -9999)]) for label, chip in zip(labels, chips, strict=True)]
    assert stored["dataloader.label_mean"] == pytest.approx(np.concatenate(counted).mean(), rel=1e-6)
    assert stored["dataloader.label_std"] == pytest.approx(np.concatenate(counted).std(), rel=1e-6)
    arguments = [f"root_dir={values}", "test_filepath=valid.csv", f"checkpoint_path={tmp_path / 'trained'}"]
    status, _, err = run("mode=eval", *arguments, "model.use_log_scale=false", folder="eval")
    assert status == 1
    assert "was trained with model.use_log_scale=True" in err


def test_a_published_checkpoint_with_log_scale_predicts_natural_units(values, run, tmp_path):  # pitfall 3
    """Early files have no mean and deviation: their networks predict the plain logarithm."""
    assert (
        run(*tables(values), *QUICK, *TASK, "model.use_log_scale=true", "train.num_epochs=1", folder="trained")[0] == 0
    )
    checkpoint = torch.load(tmp_path / "trained" / "instageo_best_checkpoint.ckpt", weights_only=True)
    early = tmp_path / "early"
    (early / ".hydra").mkdir(parents=True)
    torch.save({"state_dict": checkpoint["state_dict"]}, early / "instageo_best_checkpoint.ckpt")
    (early / ".hydra" / "config.yaml").write_text(
        "is_reg_task: true\nmodel: {model_name: prithvi_eo_tiny, depth: 1, num_classes: 1, use_log_scale: true}\n"
        f"dataloader: {{mean: {checkpoint['instageo']['settings']['dataloader.mean']}, "
        f"std: {checkpoint['instageo']['settings']['dataloader.std']}, temporal_dim: 1}}\n"
    )
    chip = values / "chips" / "chip_0.tif"
    ours_prediction, early_prediction = (load_model(folder).predict(chip) for folder in (tmp_path / "trained", early))
    scale = checkpoint["instageo"]["settings"]
    raw = (np.log1p(ours_prediction.values) - scale["dataloader.label_mean"]) / scale["dataloader.label_std"]
    np.testing.assert_allclose(
        early_prediction.values[early_prediction.valid], np.expm1(raw[ours_prediction.valid]), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (["train.loss=dice"], "train.loss=dice is for classes, but this task has continuous values"),
        (["train.class_weights=auto"], "train.class_weights=auto does not work; expected null: values have none"),
        (["dataloader.sampler=balanced"], "expected shuffle: values have no classes"),
        (["model.expected_error=[0.1]"], "two numbers of 0 or more"),
        (["dataloader.label_mean=3"], "as dataloader.label_mean"),
        (["dataloader.label_kind=chip_multi"], "expected raster or chip with is_reg_task=true"),
        (["model.use_log_scale=true", "train.ignore_index=-99"], "has the label -1, but model.use_log_scale=true"),
        (["model.head=pooled"], "model.head=pooled does not fit dataloader.label_kind=raster; expected upscaling"),
    ],
)
def test_contradictions_are_reported_in_one_sentence(values, run, chosen, words):
    status, _, err = run(*tables(values), *QUICK, *TASK, *chosen)
    assert status == 1
    [sentence] = [line for line in err.splitlines() if line.startswith("error: ")]
    assert words in sentence


def test_constant_labels_are_an_error(values, run):
    for path in (values / "labels").iterdir():
        write_raster(path, np.full((1, SIDE, SIDE), 7, np.float32), read_info(path).grid)
    status, _, err = run(*tables(values), *QUICK, *TASK)
    assert status == 1
    assert "train.csv: all labels have the value 7; expected labels that vary" in err


def test_a_regression_batch_can_be_drawn(values, run, tmp_path):
    assert run("mode=show_batch", *tables(values), *TASK, "dataloader.augmentations.rotate.use=true")[0] == 0
    assert (tmp_path / "run" / "augmentations.png").is_file()


def test_distillation_from_a_teacher_in_another_scale(values, run, tmp_path):  # pitfall 29
    chosen = [*tables(values), *QUICK, *TASK]
    assert run(*chosen, "model.use_log_scale=true", folder="teacher")[0] == 0
    student = ["model.embed_dim=64", "train.distillation=true", f"train.teacher_ckpt_path={tmp_path / 'teacher'}"]
    more = ["train.loss=gaussian_nll", "distill.alpha=1", "train.num_epochs=6"]
    assert run(*chosen, *student, *more, folder="student")[0] == 0
    with open(tmp_path / "student" / "history.csv", newline="") as file:
        soft = [float(row["train_soft_loss"]) for row in csv.DictReader(file)]
    assert soft[-1] < soft[0] < 2  # in units of the labels' variance; a wrong scale would be far off


def test_training_continues_from_a_checkpoint_that_determines_the_task(values, run, tmp_path):
    assert run(*tables(values), *QUICK, *TASK, folder="first")[0] == 0
    start = [f"checkpoint_path={tmp_path / 'first'}", "train.num_epochs=1", "train.learning_rate=1e-9"]
    status, _, err = run(*tables(values), *start, "accelerator=cpu", folder="second")
    assert status == 0, err
    before, after = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("first", "second"))
    assert after["rmse"] == pytest.approx(before["rmse"], rel=1e-3)
