"""Real chips, if they are available: sizes, no-data and dates as users have them."""

import json
from pathlib import Path

import numpy as np
import pytest

from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.distribution_shift import chip_quantiles, describe_unlike
from instageo.model.chips.image import read_chip
from instageo.model.inspection.value_range import measure_value_range
from instageo.raster.reading import read_info, read_raster
from instageo.sensors import PRITHVI_BANDS
from instageo.table import read_table
from tests.integration.conftest import QUICK

REAL = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real chips are not here ({REAL})")


def test_a_512_pixel_chip_is_mapped_completely_and_reproducibly(run, tmp_path):  # pitfalls 1, 2, 6
    data = REAL / "sen1floods11"
    tables = [f"root_dir={data}", "train_filepath=all.csv", "valid_filepath=all.csv"]
    status, _, err = run("--config-name=sen1floods11", *tables, *QUICK, "dataloader.img_size=128")
    assert status == 0, err
    checkpoint = f"checkpoint_path={tmp_path / 'run'}"
    for name in ("first", "second"):
        arguments = [f"root_dir={data}", "test_filepath=all.csv", checkpoint, f"output_dir={tmp_path / name}"]
        status, _, err = run("mode=chip_inference", *arguments, folder=f"maps_{name}")
        assert status == 0, err
    [first], [second] = ((tmp_path / name).glob("**/*.tif") for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    chip = data / "S2Hand" / "Spain_7370579_S2Hand.tif"
    assert read_info(first).grid == read_info(chip).grid
    assert read_info(first).grid.shape == (512, 512)
    valid = read_raster(chip, [1, 2, 3, 8, 11, 12]).valid.all(axis=0)
    np.testing.assert_array_equal(read_raster(first).valid[0], valid)


@pytest.mark.parametrize(
    ("folder", "tables", "classes"),
    [("hls_multitemporal", ("train", "val"), 8), ("chip_with_missing_date", ("all", "all"), 13)],
)
def test_three_dates_train_and_score(folder, tables, classes, run):  # pitfall 21
    names = [f"train_filepath={tables[0]}.csv", f"valid_filepath={tables[1]}.csv", f"root_dir={REAL / folder}"]
    settings = ["dataloader.temporal_dim=3", "dataloader.reduce_to_zero=true", f"model.num_classes={classes}"]
    status, out, err = run(*names, *settings, *QUICK)
    assert status == 0, err
    assert "mIoU" in out
    assert "date 3: layers [12, 13, 14, 15, 16, 17]" in err


MISSING = ["dataloader.temporal_dim=3", "dataloader.reduce_to_zero=true", "model.num_classes=13"]


@pytest.fixture
def missing_date():
    """Values (3, 6, 32, 32) of a chip whose first date is wholly no-data, and its labels."""
    folder = REAL / "chip_with_missing_date"
    values = read_raster(folder / "chip_178_022.tif").values.reshape(3, 6, 32, 32).astype(float)
    assert (values[0] == -9999).all()
    return folder, values, read_raster(folder / "chip_178_022.mask.tif").values[0]


def test_a_missing_date_does_not_affect_statistics(missing_date, run):  # pitfalls 9, 10, 11
    folder, values, label = missing_date
    status, out, err = run("mode=stats", f"root_dir={folder}", "train_filepath=all.csv", *MISSING)
    assert status == 0, err
    stats = json.loads(out.splitlines()[-1])
    there = (values != -9999).all(axis=1)
    pixels = np.concatenate([values[date][:, there[date]] for date in range(3)], axis=1)
    np.testing.assert_allclose(stats["mean"], pixels.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(stats["std"], pixels.std(axis=1), rtol=1e-12)
    assert stats["valid_fraction"] == there.sum() / (3 * 32 * 32) <= 2 / 3
    assert min(stats["mean"]) > 0
    counted = label[there.any(axis=0)]
    assert stats["class_counts"] == np.bincount(counted[counted > 0] - 1, minlength=13).tolist()


def test_a_missing_date_trains_and_is_mapped(missing_date, run, tmp_path):  # pitfalls 6, 9, 21
    folder, values, label = missing_date
    tables = [f"root_dir={folder}", "train_filepath=all.csv", "valid_filepath=all.csv"]
    more = ["train.num_epochs=2", "dataloader.mean=auto", "train.class_weights=effective", "dataloader.cache=memory"]
    status, _, err = run(*tables, *MISSING, *QUICK, *more)
    assert status == 0, err
    history = (tmp_path / "run" / "history.csv").read_text()
    assert "nan" not in history.lower()
    assert len(history.splitlines()) == 3
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    there = (values != -9999).all(axis=1).any(axis=0)
    assert np.sum(metrics["confusion_matrix"]) == np.count_nonzero(label[there] > 0)  # pitfall 20
    arguments = [f"root_dir={folder}", "test_filepath=all.csv", f"checkpoint_path={tmp_path / 'run'}"]
    status, _, err = run("mode=chip_inference", *arguments, f"output_dir={tmp_path / 'maps'}", folder="maps_run")
    assert status == 0, err
    [path] = (tmp_path / "maps").rglob("*.tif")
    np.testing.assert_array_equal(read_raster(path).valid[0], there)
    assert read_info(path).grid == read_info(folder / "chip_178_022.tif").grid


def test_every_labelled_pixel_of_a_512_pixel_chip_is_scored(run, tmp_path):  # pitfalls 16, 20
    data = REAL / "sen1floods11"
    tables = [f"root_dir={data}", "train_filepath=all.csv", "valid_filepath=all.csv"]
    status, _, err = run("--config-name=sen1floods11", *tables, *QUICK, "dataloader.img_size=96")
    assert status == 0, err
    label = read_raster(data / "LabelHand" / "Spain_7370579_LabelHand.tif").values[0]
    chip = read_raster(data / "S2Hand" / "Spain_7370579_S2Hand.tif", [1, 2, 3, 8, 11, 12], 0)
    counted = label[chip.valid.all(axis=0)]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert np.sum(metrics["confusion_matrix"], axis=1).tolist() == [(counted == value).sum() for value in (0, 1)]
    status, out, err = run("--config-name=sen1floods11", "mode=stats", *tables[:2], folder="stats")
    assert status == 0, err
    stats = json.loads(out.splitlines()[-1])
    pixels = chip.values[:, chip.valid.all(axis=0)].astype(float) * 1e-4
    np.testing.assert_allclose(stats["mean"], pixels.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(stats["std"], pixels.std(axis=1), rtol=1e-9)
    assert stats["class_counts"] == [(counted == value).sum() for value in (0, 1)]


def test_a_sparse_regression_label_has_the_statistics_of_numpy(run):  # pitfalls 9, 10, 23
    data = REAL / "sparse_regression"
    label = read_raster(data / "regression_test_0_label.tif").values[0]
    chip = read_raster(data / "regression_test_0_input.tif", [1, 2, 3, 4, 5, 6], -9999)
    arguments = [f"root_dir={data}", "train_filepath=all.csv", "is_reg_task=true", "dataloader.bands=[1,2,3,4,5,6]"]
    status, out, err = run("mode=stats", *arguments)
    assert status == 0, err
    stats = json.loads(out.splitlines()[-1])
    usable = label[(label != -1) & np.isfinite(label) & chip.valid.all(axis=0)].astype(float)
    assert stats["label_count"] == usable.size
    assert (stats["label_min"], stats["label_max"]) == (usable.min(), usable.max())
    np.testing.assert_allclose([stats["label_mean"], stats["label_std"]], [usable.mean(), usable.std()], rtol=1e-12)


def test_top_of_atmosphere_reflectance_is_told_apart_from_that_of_the_surface():  # pitfall 87
    """HLS chips (surface) train, a Sentinel-2 L1C scene (top of the atmosphere) is predicted: BLUE is brighter."""
    floods = REAL / "hls_flood"
    surface = ChipFormat(bands=(1, 2, 3, 4, 5, 6))
    rows = {name: read_table(floods / f"{name}.csv", str(floods), need_label=True) for name in ("train", "val")}
    usual = measure_value_range(rows["train"], surface)
    assert usual is not None

    def unlike(image, valid):
        quantiles = chip_quantiles(image, valid)
        assert quantiles is not None
        return usual.find_unlike(quantiles, PRITHVI_BANDS)

    val = [read_chip(row.input, surface) for row in rows["val"]]
    assert describe_unlike([unlike(chip.image, chip.valid) for chip in val]) is None
    scene = read_chip(
        REAL / "sen1floods11" / "S2Hand" / "Spain_7370579_S2Hand.tif", ChipFormat(bands=(1, 2, 3, 8, 11, 12))
    )
    parts = [
        (slice(None), slice(row, row + 128), slice(column, column + 128)) for row in (0, 256) for column in (0, 256)
    ]
    sentence = describe_unlike([unlike(scene.image[:, *part], scene.valid[part]) for part in parts])
    assert sentence is not None
    assert sentence.startswith("4 of 4 chips have higher values in BLUE than nearly all training chips")
