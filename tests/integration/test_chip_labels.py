"""Image-level labels: one class, several, or a value per chip, from table to table."""

import csv
import json

import numpy as np
import pytest
from affine import Affine
from sklearn.metrics import f1_score, mean_squared_error

from instageo import load_model
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster
from instageo.table import write_table
from tests.integration.conftest import QUICK

NAMES = ["dry", "wet"]
CHIPS = [part for part in QUICK if not part.startswith("model.head")]


def write_chips(folder, label_of, *, count=10, side=32):
    """Write dark and bright chips, with labels in the table; the last has no valid pixel."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(count):
        bright = number % 2
        image = (bright * 2000 + rng.normal(800, 50, (6, side, side))).astype(np.int16)
        image[:, :3] = -9999
        grid = Grid("EPSG:32614", Affine(30, 0, 500_000 + 960 * number, 0, -30, 4_000_000), side, side)
        write_raster(folder / "chips" / f"chip_{number}.tif", image, grid)
        rows.append({"Input": f"chips/chip_{number}.tif", "Label": label_of(bright, number)})
    write_raster(folder / "chips" / "empty.tif", np.full((6, side, side), -9999, np.int16), grid)
    for name, part in {"train": rows[:6], "valid": rows[6:]}.items():
        write_table(folder / f"{name}.csv", part)
    unlabelled = [{"Input": row["Input"]} for row in rows[6:]]
    write_table(folder / "new.csv", [*unlabelled, {"Input": "chips/empty.tif"}])
    return folder


def tables(data):
    return [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", "dataloader.mean=auto"]


def predictions(data, run, tmp_path):
    arguments = [f"root_dir={data}", "test_filepath=new.csv", f"checkpoint_path={tmp_path / 'trained'}"]
    assert run("mode=chip_inference", *arguments, f"output_dir={tmp_path / 'out'}", folder="maps")[0] == 0
    with open(tmp_path / "out" / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


def scores(data, run, tmp_path):
    arguments = [f"root_dir={data}", "test_filepath=valid.csv", f"checkpoint_path={tmp_path / 'trained'}"]
    assert run("mode=eval", *arguments, folder="eval")[0] == 0
    return json.loads((tmp_path / "eval" / "metrics.json").read_text())


def test_one_class_per_chip_by_name(tmp_path, run):
    data = write_chips(tmp_path / "data", lambda bright, _: NAMES[bright])
    chosen = ["dataloader.label_kind=chip", "model.class_names=[dry,wet]", "train.num_epochs=6"]
    augmented = [f"dataloader.augmentations.{name}.use=true" for name in ("rotate", "resized_crop", "rot90")]
    assert run(*tables(data), *CHIPS, *chosen, *augmented, "train.class_weights=auto", folder="trained")[0] == 0
    assert (tmp_path / "trained" / "confusion_matrix.png").is_file()
    metrics = scores(data, run, tmp_path)
    rows = predictions(data, run, tmp_path)
    assert [row["Input"] for row in rows] == [f"chips/chip_{number}.tif" for number in range(6, 10)] + [
        "chips/empty.tif"
    ]
    assert rows[-1]["prediction"] == rows[-1]["p_dry"] == ""  # pitfall 6
    predicted = [row["prediction"] for row in rows[:-1]]
    assert metrics["f1"] == pytest.approx(f1_score(["dry", "wet"] * 2, predicted, average="macro"))
    assert metrics["accuracy"] == 1
    assert metrics["per_class"]["wet"]["support"] == 2
    for row in rows[:-1]:
        assert float(row["p_dry"]) + float(row["p_wet"]) == pytest.approx(1, abs=1e-5)
    prediction = load_model(tmp_path / "trained").predict(data / "chips" / "chip_7.tif")
    assert prediction.classes.tolist() == [[1]]
    assert prediction.probabilities.shape == (2, 1, 1)


def test_predictions_of_large_chips_are_means_over_tiles(tmp_path, run):
    data = write_chips(tmp_path / "data", lambda bright, _: str(bright))
    chosen = ["dataloader.label_kind=chip", "dataloader.img_size=16"]
    assert run(*tables(data), *CHIPS, *chosen, folder="trained")[0] == 0
    model = load_model(tmp_path / "trained")
    assert (model.tiling.tile, model.tiling.stride) == (16, 8)
    assert model.predict(data / "chips" / "chip_0.tif").probabilities.shape == (2, 1, 1)
    assert sum(scores(data, run, tmp_path)["confusion_matrix"][0]) == 2


def test_several_classes_per_chip(tmp_path, run):
    data = write_chips(
        tmp_path / "data", lambda bright, number: "wet;green" if bright else ("green" if number % 4 else "-")
    )
    chosen = ["dataloader.label_kind=chip_multi", "model.class_names=[wet,green]", "train.num_epochs=3"]
    assert run(*tables(data), *CHIPS, *chosen, folder="trained")[0] == 0
    metrics = scores(data, run, tmp_path)
    rows = predictions(data, run, tmp_path)
    truth = np.array([[0, 1], [1, 1], [0, 0], [1, 1]])
    predicted = np.array([[float(row["p_wet"]) > 0.5, float(row["p_green"]) > 0.5] for row in rows[:-1]])
    expected = f1_score(truth, predicted, average=None, zero_division=0)
    assert [metrics["per_class"][name]["f1"] for name in ("wet", "green")] == pytest.approx(expected)
    assert metrics["accuracy"] == pytest.approx((truth == predicted).all(axis=1).mean())
    for row, flags in zip(rows[:-1], predicted, strict=True):
        names = [name for name, flag in zip(("wet", "green"), flags, strict=True) if flag]
        assert row["prediction"] == (";".join(names) or "-")


def test_one_value_per_chip(tmp_path, run):
    data = write_chips(tmp_path / "data", lambda bright, number: str(10 + 5 * bright + number / 10))
    chosen = ["dataloader.label_kind=chip", "is_reg_task=true", "train.loss=gaussian_nll", "model.use_log_scale=true"]
    assert run(*tables(data), *CHIPS, *chosen, folder="trained")[0] == 0
    metrics = scores(data, run, tmp_path)
    rows = predictions(data, run, tmp_path)
    truth = [10 + 5 * (number % 2) + number / 10 for number in range(6, 10)]
    predicted = [float(row["prediction"]) for row in rows[:-1]]
    assert metrics["rmse"] == pytest.approx(mean_squared_error(truth, predicted) ** 0.5, rel=1e-5)
    assert metrics["count"] == 4
    assert all(float(r["quantile_0.05"]) < float(r["prediction"]) < float(r["quantile_0.95"]) for r in rows[:-1])


@pytest.mark.parametrize(
    ("label", "chosen", "words"),
    [
        ("wet", [], "neither the number nor the name of a class"),
        ("5", [], "outside the classes 0..1"),
        ("0", ["model.head=light"], "model.head=light does not fit dataloader.label_kind=chip; expected pooled"),
        ("0", ["model.num_classes=1"], "model.num_classes=1 does not work; expected at least 2 classes"),
        ("", [], "expected the label of the chip"),
    ],
)
def test_errors_are_one_sentence(tmp_path, run, label, chosen, words):
    data = write_chips(tmp_path / "data", lambda *_: label)
    status, _, err = run(*tables(data), *CHIPS, "dataloader.label_kind=chip", *chosen)
    assert status == 1
    [sentence] = [line for line in err.splitlines() if line.startswith("error: ")]
    assert words in sentence


@pytest.mark.parametrize("kind", ["chip", "chip_multi"])
def test_image_level_distillation(tmp_path, run, kind):  # pitfall 29
    data = write_chips(tmp_path / "data", lambda bright, _: str(bright))
    chosen = [*tables(data), *CHIPS, f"dataloader.label_kind={kind}"]
    assert run(*chosen, folder="teacher")[0] == 0
    student = ["model.embed_dim=64", "train.distillation=true", f"train.teacher_ckpt_path={tmp_path / 'teacher'}"]
    assert run(*chosen, *student, "distill.feature_weight=0.5", folder="trained")[0] == 0
    assert "train_soft_loss" in (tmp_path / "trained" / "history.csv").read_text()
    assert scores(data, run, tmp_path)["accuracy"] >= 0
