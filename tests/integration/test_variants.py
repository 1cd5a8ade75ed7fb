"""Dates and location, from the table or the tags of files to maps."""

import csv
import json
import subprocess
from datetime import date

import numpy as np
import pytest
import rasterio
import torch

from instageo import load_model
from instageo.errors import DataError
from instageo.model.run import main
from instageo.raster.reading import read_raster
from instageo.table import read_table, write_table
from tests.integration.conftest import QUICK, write_chips

TL = [*QUICK, "model.model_name=prithvi_eo_v2_tiny_tl", "model.head=linear"]
TABLES = ["train_filepath=train.csv", "valid_filepath=valid.csv"]
SCALES = ["net.prithvi_encoder.temporal_embed_enc.scale", "net.prithvi_encoder.location_embed_enc.scale"]
BEST = "instageo_best_checkpoint.ckpt"
STATE = "state_dict"


def add_coordinates(data, numbers):
    """Add dates and location to the tables of a data folder for the chips with these numbers, different for each."""
    for name in ("train", "valid", "test"):
        with open(data / f"{name}.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            number = int(row["Input"].split("_")[1].split(".")[0])
            coordinates = {"dates": f"2020-0{number + 1}-15", "lat": 10 * number - 20, "lon": 100 - 30 * number}
            row.update(coordinates if number in numbers else dict.fromkeys(coordinates, ""))
        write_table(data / f"{name}.csv", rows)


def read(folder, name=BEST):
    """The state dict of a checkpoint."""
    return torch.load(folder / name, weights_only=True)[STATE]


def columns(folder):
    """The columns of a run's history as numbers."""
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {name: [float(line[name]) for line in lines] for name in lines[0]}


@pytest.fixture(scope="session")
def located(tmp_path_factory):
    """A data folder whose tables have dates and locations, and the run of a network that takes them."""
    base = tmp_path_factory.mktemp("located")
    data = write_chips(base / "data")
    add_coordinates(data, range(6))
    assert main([f"root_dir={data}", *TABLES, *TL, "train.num_epochs=2", f"hydra.run.dir={base / 'run'}"]) == 0
    return data, base / "run"


@pytest.fixture(scope="session")
def strong(located, tmp_path_factory):
    """The checkpoint of that network with larger scales of the coordinates, so that they change classes."""
    content = torch.load(located[1] / BEST, weights_only=True)
    for key in SCALES:
        content[STATE][key] = torch.full((1,), 3.0)
    path = tmp_path_factory.mktemp("strong") / BEST
    torch.save(content, path)
    return path


def test_scales_of_dates_and_location_are_trained_with_the_coordinates_of_the_table(located):  # pitfall 26
    _, folder = located
    log = (folder / "run.log").read_text()
    assert "train.csv: dates are known for 4, the location for 4 of 4 chips" in log
    assert "valid.csv: dates are known for 1, the location for 1 of 1 chip" in log
    for name in (BEST, "last.ckpt"):
        moved = [float(read(folder, name)[key]) for key in SCALES]
        assert all(1e-4 < abs(scale - 0.1) < 0.05 for scale in moved)
    assert "day of year 1..366" in torch.load(folder / BEST, weights_only=True)["instageo"]["coordinates"]


def test_maps_are_predicted_with_the_coordinates_of_the_table(located, strong, run, tmp_path):  # pitfall 26
    data, _ = located
    maps = tmp_path / "maps"
    common = [f"root_dir={data}", "test_filepath=train.csv", f"checkpoint_path={strong}"]
    assert run("mode=chip_inference", *common, f"output_dir={maps}")[0] == 0
    model, with_coordinates, without = load_model(strong), 0, 0
    for row in read_table("train.csv", data, need_label=True):
        written = read_raster(maps / row.name.replace("chip_", "prediction_")).values[0]
        with_coordinates += int(
            (model.predict(row.input, dates=row.dates, lat_lon=row.lat_lon).classes != written).sum()
        )
        without += int((model.predict(row.input).classes != written).sum())
    assert with_coordinates == 0
    assert without > 0


def test_scores_are_computed_with_the_coordinates_of_the_table(located, strong, run, tmp_path):  # pitfalls 20, 26
    data, _ = located
    assert run("mode=eval", f"root_dir={data}", "test_filepath=train.csv", f"checkpoint_path={strong}")[0] == 0
    model = load_model(strong)
    confusions = np.zeros((2, 2, 2), dtype=int)
    for row in read_table("train.csv", data, need_label=True):
        truth = read_raster(row.label).values[0]
        for index, coordinates in enumerate(({"dates": row.dates, "lat_lon": row.lat_lon}, {})):
            prediction = model.predict(row.input, **coordinates)
            valid = prediction.valid
            np.add.at(confusions[index], (truth[valid], prediction.classes[valid]), 1)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["confusion_matrix"] == confusions[0].tolist() != confusions[1].tolist()


def test_other_dates_and_locations_give_other_probabilities(located):
    data, folder = located
    model, chip = load_model(folder), data / "chips" / "chip_5.tif"
    day, lat_lon = date(2020, 6, 15), (30.0, -50.0)
    first = model.predict(chip, dates=[day], lat_lon=lat_lon).probabilities
    for dates, location in (([date(2020, 7, 15)], lat_lon), ([date(2021, 6, 15)], lat_lon), ([day], (30.0, -51.0)),
                         ([day], (31.0, -50.0)), ([], lat_lon), ([day], None)):  # fmt: skip
        other = model.predict(chip, dates=dates, lat_lon=location).probabilities
        assert np.nanmax(np.abs(other - first)) > 1e-6
    np.testing.assert_array_equal(model.predict(chip, dates=[day], lat_lon=lat_lon).probabilities, first)
    by_array = model.predict(read_raster(chip).values, dates=[day], lat_lon=lat_lon)
    np.testing.assert_array_equal(by_array.probabilities, first)
    with pytest.raises(DataError, match=r"2 dates are given .* for chips of 1"):
        model.predict(chip, dates=[day, day])


def test_all_tiles_of_an_image_get_its_dates_and_location(located, strong, tmp_path):
    scene = write_chips(tmp_path / "scene", side=72, count=3) / "chips" / "chip_0.tif"
    model = load_model(strong)
    mapped = model.predict(scene, dates=[date(2020, 3, 15)], lat_lon=(0.0, 40.0))
    assert (mapped.classes != model.predict(scene).classes).any()
    small = read_raster(scene).values[:, 40:72, 40:72]
    corner = model.predict(small, dates=[date(2020, 3, 15)], lat_lon=(0.0, 40.0))
    # the last tile of the scene is blended with others everywhere but in its own corner
    np.testing.assert_allclose(corner.probabilities[:, -8:, -8:], mapped.probabilities[:, -8:, -8:], atol=1e-5)


def tag_chips(data, name, text):
    """Write a tag into every chip; `{}` in the text becomes the number of the chip, from 1."""
    for number in range(6):
        with rasterio.open(data / "chips" / f"chip_{number}.tif", "r+") as target:
            target.update_tags(**{name: text.format(number + 1)})


def test_dates_in_the_tags_of_files_are_used(data, run, tmp_path):  # pitfall 26
    tag_chips(data, "SENSING_TIME", "2020-0{}-15T10:00:00.1234567Z")
    status, _, err = run(f"root_dir={data}", *TABLES, *TL)
    assert status == 0, err
    assert "train.csv: dates are known for 4, the location for 4 of 4 chips" in err
    folder = tmp_path / "run"
    assert all(abs(float(read(folder)[key]) - 0.1) > 1e-4 for key in SCALES)
    model, chip = load_model(folder), data / "chips" / "chip_5.tif"
    by_tag, explicit = model.predict(chip), model.predict(chip, dates=[date(2020, 6, 15)])
    np.testing.assert_array_equal(by_tag.probabilities, explicit.probabilities)
    other = model.predict(chip, dates=[date(2019, 6, 15)])
    assert np.nanmax(np.abs(by_tag.probabilities - other.probabilities)) > 1e-6
    common = [f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={folder}"]
    assert run("mode=chip_inference", *common, f"output_dir={tmp_path / 'maps'}")[0] == 0
    written = read_raster(tmp_path / "maps" / "chips" / "prediction_5.tif").values[0]
    assert (written == explicit.classes).all()


def test_three_dates_without_a_table_location(tmp_path, run):
    data = write_chips(tmp_path / "data", num_dates=3, count=4)
    for number in range(4):
        path = data / "chips" / f"chip_{number}.tif"
        with rasterio.open(path, "r+") as target:
            target.update_tags(DATES="2020-01-01;2020-02-01;2020-12-31")
    status, _, err = run(f"root_dir={data}", *TABLES, *TL, "dataloader.temporal_dim=3", "train.num_epochs=1")
    assert status == 0, err
    assert "train.csv: dates are known for 2, the location for 2 of 2 chips" in err
    model, chip = load_model(tmp_path / "run"), data / "chips" / "chip_3.tif"
    days = [date(2020, 1, 1), date(2020, 2, 1), date(2020, 12, 31)]
    by_tag = model.predict(chip).probabilities
    np.testing.assert_array_equal(model.predict(chip, dates=days).probabilities, by_tag)
    reverse = model.predict(chip, dates=list(reversed(days))).probabilities
    assert np.nanmax(np.abs(reverse - by_tag)) > 1e-6


def test_a_variant_without_coordinates_does_not_log_them(data, run):
    add_coordinates(data, range(6))
    status, _, err = run(f"root_dir={data}", *TABLES, *QUICK, "model.head=linear")
    assert status == 0, err
    assert "dates are known" not in err


def test_two_processes_train_with_coordinates_of_only_some_chips(data, warm_command, tmp_path):  # pitfalls 23, 26
    add_coordinates(data, [1, 4])
    command = [*warm_command("instageo.model.run"), f"root_dir={data}", "train_filepath=train.csv"]
    command += ["valid_filepath=train.csv", *TL, "train.batch_size=1", "train.num_epochs=2", "devices=2"]
    command += ["strategy=ddp", f"hydra.run.dir={tmp_path / 'run'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "dates are known for 1, the location for 4 of 4 chips" in done.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert max(columns(tmp_path / "run")["val_mIoU"]) == pytest.approx(metrics["mIoU"], abs=1e-6)
    assert sum(map(sum, metrics["confusion_matrix"])) == 4 * (1024 - 16)
    assert all(abs(float(read(tmp_path / "run", "last.ckpt")[key]) - 0.1) > 1e-5 for key in SCALES)


def test_a_network_without_published_weights_starts_from_random_weights(data, run, tmp_path):  # pitfall 19
    quick = [setting for setting in QUICK if not setting.startswith("model.load_pretrained_weights")]
    status, _, _ = run(f"root_dir={data}", *TABLES, *quick)
    assert status == 0
    assert (
        "prithvi_eo_tiny starts from random weights: none are published" in (tmp_path / "run" / "run.log").read_text()
    )
