"""Chips with extreme values, and chips unlike those of the training, in every mode."""

import csv
import json

import numpy as np
import pytest

from instageo.model.map_jobs.trained_model import load_model
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster
from instageo.serving.formats import summarize_prediction
from instageo.table import write_table

LOWEST = float(np.finfo(np.float32).min)


def copy_chip(data, name, change):
    """Write chip 5 of the data again, as float32, after a change; returns the name of the file."""
    raster = read_raster(data / "chips" / "chip_5.tif")
    values = change(raster.values.astype(np.float32))
    write_raster(data / "chips" / name, values, raster.grid)
    return f"chips/{name}"


def extreme(values):
    values[2, 10:20] = LOWEST
    return values


def brighter(values):
    return np.where(values == -9999, values, values + 4000)


@pytest.fixture
def table(data):
    """A table of three chips with labels, of which the second has an extreme value."""
    names = [copy_chip(data, "a.tif", np.copy), copy_chip(data, "b.tif", extreme), copy_chip(data, "c.tif", np.copy)]
    write_table(data / "three.csv", [{"Input": name, "Label": "labels/label_5.tif"} for name in names])
    return data


def test_an_extreme_chip_does_not_stop_the_others(table, trained, run, tmp_path):  # pitfall 85
    _, model = trained
    arguments = [f"root_dir={table}", "test_filepath=three.csv", f"checkpoint_path={model}", "accelerator=cpu"]
    status, _, err = run("mode=chip_inference", *arguments, f"output_dir={tmp_path / 'maps'}")
    assert status == 1
    assert sorted(path.name for path in (tmp_path / "maps" / "chips").glob("*.tif")) == ["a.tif", "c.tif"]
    with open(tmp_path / "run" / "failed_rows_test.csv", newline="") as file:
        [failed] = csv.DictReader(file)
    assert failed["Input"] == "chips/b.tif"
    assert f"band 3 of date 1 has the value {LOWEST!r} in 320 of 1008 valid pixels" in failed["reason"]
    status, _, err = run("mode=eval", *arguments, folder="eval")
    assert status == 1
    assert f"{table}/chips/b.tif: band 3 of date 1 has the value {LOWEST!r}" in err
    status, _, err = run("mode=eval", *arguments, f"dataloader.no_data_value={LOWEST!r}", folder="declared")
    assert status == 0, err


def test_statistics_name_extreme_values(table, run):  # pitfall 86
    arguments = ["mode=stats", f"root_dir={table}", "train_filepath=three.csv"]
    status, _, err = run(*arguments)
    assert status == 1
    assert "chips/b.tif: band 3 of date 1 has the value -3.4028234663852886e+38" in err
    status, out, _ = run(*arguments, "dataloader.on_bad_row=skip", folder="skipped")
    assert status == 0
    assert 500 < json.loads(out.splitlines()[-1])["mean"][2] < 2500
    copy_chip(table, "b.tif", lambda values: np.where(values == values.max(), np.float32(1e15), values))
    status, _, err = run(*arguments, folder="absurd")
    assert status == 1
    assert "chips/b.tif: " in err
    assert "but values of this table are usually about" in err


def test_chips_unlike_the_training_chips_are_told(data, trained, run, tmp_path):  # pitfall 87
    _, model = trained
    bright = [copy_chip(data, f"{number}.tif", brighter) for number in range(2)]
    rows = [{"Input": name, "Label": "labels/label_5.tif"} for name in [*bright, "chips/chip_5.tif"]]
    write_table(data / "bright.csv", rows)
    arguments = [f"root_dir={data}", f"checkpoint_path={model}", "accelerator=cpu"]
    sentence = (
        "2 of 3 chips have higher values in BLUE, GREEN, RED, NIR_NARROW, SWIR_1, SWIR_2 than nearly all training"
    )
    for mode in ("eval", "chip_inference"):
        status, _, err = run(
            f"mode={mode}", *arguments, "test_filepath=bright.csv", f"output_dir={tmp_path / mode}", folder=mode
        )
        assert status == 0, err
        assert sentence in err
    status, _, err = run("mode=eval", *arguments, "test_filepath=test.csv", folder="usual")
    assert "nearly all training chips" not in err
    predictor = load_model(model, device="cpu")
    assert predictor.value_range is not None
    prediction = predictor.predict(data / bright[0])
    assert summarize_prediction(predictor, prediction, "m")["unlike_training"] == dict.fromkeys(
        ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"], "higher"
    )
    assert predictor.predict(data / "chips" / "chip_5.tif").unlike_training == {}


def test_maps_have_a_legend_and_settings_without_effect_are_told(data, trained, run, tmp_path):
    _, model = trained
    arguments = [f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={model}", "accelerator=cpu"]
    options = ["model.class_names=[land,water]", "test.mask_cloud=true", "train.num_epochs=3"]
    status, _, err = run("mode=chip_inference", *arguments, *options)
    assert status == 0, err
    assert "test.mask_cloud has no effect, because a chip has one date (dataloader.temporal_dim=1)" in err
    assert "train.num_epochs has no effect in mode=chip_inference; it is for train, lr_find" in err
    [style] = (tmp_path / "run" / "predictions").rglob("*.qml")
    assert '<paletteEntry value="1" color="#419bdf" alpha="255" label="water" />' in style.read_text(encoding="utf-8")
    assert style.with_suffix(".tif").is_file()
