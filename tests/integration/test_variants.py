"""Time and place, sensors and bands, from table and tags to maps."""

import csv
import json
import subprocess
import sys
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


def tell(data, known):
    """Add dates and place to the tables of a data folder: of the chips `known`, each its own."""
    for name in ("train", "valid", "test"):
        with open(data / f"{name}.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            number = int(row["Input"].split("_")[1].split(".")[0])
            told = {"dates": f"2020-0{number + 1}-15", "lat": 10 * number - 20, "lon": 100 - 30 * number}
            row.update(told if number in known else dict.fromkeys(told, ""))
        write_table(data / f"{name}.csv", rows)


def read(folder, name=BEST):
    """The state dict of a checkpoint."""
    return torch.load(folder / name, weights_only=True)[STATE]


def columns(folder):
    """The columns of a run's history, as numbers."""
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {name: [float(line[name]) for line in lines] for name in lines[0]}


@pytest.fixture(scope="session")
def placed(tmp_path_factory):
    """A data folder whose tables tell time and place, and the run of a network that takes them."""
    base = tmp_path_factory.mktemp("placed")
    data = write_chips(base / "data")
    tell(data, range(6))
    assert main([f"root_dir={data}", *TABLES, *TL, "train.num_epochs=2", f"hydra.run.dir={base / 'run'}"]) == 0
    return data, base / "run"


@pytest.fixture(scope="session")
def strong(placed, tmp_path_factory):
    """The checkpoint of that network with time and place turned up, so that they change classes, not only digits."""
    content = torch.load(placed[1] / BEST, weights_only=True)
    for key in SCALES:
        content[STATE][key] = torch.full((1,), 3.0)
    path = tmp_path_factory.mktemp("strong") / BEST
    torch.save(content, path)
    return path


def test_time_and_place_of_the_table_are_learnt_from(placed):  # pitfall 26
    _, folder = placed
    log = (folder / "run.log").read_text()
    assert "train.csv: time is known for 4, place for 4 of 4 chips" in log
    assert "valid.csv: time is known for 1, place for 1 of 1 chips" in log
    for name in (BEST, "last.ckpt"):
        moved = [float(read(folder, name)[key]) for key in SCALES]
        assert all(1e-4 < abs(scale - 0.1) < 0.05 for scale in moved)
    assert "day of year 1..366" in torch.load(folder / BEST, weights_only=True)["instageo"]["coordinates"]


def test_maps_are_made_with_the_time_and_place_of_the_table(placed, strong, run, tmp_path):  # pitfall 26
    data, _ = placed
    maps = tmp_path / "maps"
    common = [f"root_dir={data}", "test_filepath=train.csv", f"checkpoint_path={strong}"]
    assert run("mode=chip_inference", *common, f"output_dir={maps}")[0] == 0
    model, told, untold = load_model(strong), 0, 0
    for row in read_table("train.csv", data, need_label=True):
        written = read_raster(maps / row.name.replace("chip_", "prediction_")).values[0]
        told += int((model.predict(row.input, dates=row.dates, place=row.place).classes != written).sum())
        untold += int((model.predict(row.input).classes != written).sum())
    assert told == 0
    assert untold > 0


@pytest.mark.slow
def test_scores_are_made_with_the_time_and_place_of_the_table(placed, strong, run, tmp_path):  # pitfalls 20, 26
    data, _ = placed
    assert run("mode=eval", f"root_dir={data}", "test_filepath=train.csv", f"checkpoint_path={strong}")[0] == 0
    model = load_model(strong)
    confusions = np.zeros((2, 2, 2), dtype=int)
    for row in read_table("train.csv", data, need_label=True):
        truth = read_raster(row.label).values[0]
        for which, seen in enumerate(({"dates": row.dates, "place": row.place}, {})):
            found = model.predict(row.input, **seen)
            np.add.at(confusions[which], (truth[found.valid], found.classes[found.valid]), 1)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["confusion_matrix"] == confusions[0].tolist() != confusions[1].tolist()


def test_other_dates_and_places_give_other_probabilities(placed):
    data, folder = placed
    model, chip = load_model(folder), data / "chips" / "chip_5.tif"
    day, place = date(2020, 6, 15), (30.0, -50.0)
    first = model.predict(chip, dates=[day], place=place).probabilities
    for dates, where in (([date(2020, 7, 15)], place), ([date(2021, 6, 15)], place), ([day], (30.0, -51.0)),
                         ([day], (31.0, -50.0)), ([], place), ([day], None)):  # fmt: skip
        other = model.predict(chip, dates=dates, place=where).probabilities
        assert np.nanmax(np.abs(other - first)) > 1e-6
    np.testing.assert_array_equal(model.predict(chip, dates=[day], place=place).probabilities, first)
    by_array = model.predict(read_raster(chip).values, dates=[day], place=place)
    np.testing.assert_array_equal(by_array.probabilities, first)
    with pytest.raises(DataError, match=r"2 dates are given .* for chips of 1"):
        model.predict(chip, dates=[day, day])


def test_images_larger_than_a_tile_keep_their_time_and_place(placed, strong, tmp_path):
    scene = write_chips(tmp_path / "scene", side=72, count=3) / "chips" / "chip_0.tif"
    model = load_model(strong)
    seen = model.predict(scene, dates=[date(2020, 3, 15)], place=(0.0, 40.0))
    assert (seen.classes != model.predict(scene).classes).any()
    small = read_raster(scene).values[:, 40:72, 40:72]
    corner = model.predict(small, dates=[date(2020, 3, 15)], place=(0.0, 40.0))
    # the last tile of the scene is blended with others everywhere but in its own corner
    np.testing.assert_allclose(corner.probabilities[:, -8:, -8:], seen.probabilities[:, -8:, -8:], atol=1e-5)


def tag(data, name, text):
    """Write a tag into every chip; `{}` in it becomes the chip's number, from 1."""
    for number in range(6):
        with rasterio.open(data / "chips" / f"chip_{number}.tif", "r+") as target:
            target.update_tags(**{name: text.format(number + 1)})


@pytest.mark.slow
def test_dates_of_the_files_do_as_well(data, run, tmp_path):  # pitfall 26
    tag(data, "SENSING_TIME", "2020-0{}-15T10:00:00.1234567Z")
    status, _, err = run(f"root_dir={data}", *TABLES, *TL)
    assert status == 0, err
    assert "train.csv: time is known for 4, place for 4 of 4 chips" in err
    folder = tmp_path / "run"
    assert all(abs(float(read(folder)[key]) - 0.1) > 1e-4 for key in SCALES)
    model, chip = load_model(folder), data / "chips" / "chip_5.tif"
    by_file, by_hand = model.predict(chip), model.predict(chip, dates=[date(2020, 6, 15)])
    np.testing.assert_array_equal(by_file.probabilities, by_hand.probabilities)
    other = model.predict(chip, dates=[date(2019, 6, 15)])
    assert np.nanmax(np.abs(by_file.probabilities - other.probabilities)) > 1e-6
    common = [f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={folder}"]
    assert run("mode=chip_inference", *common, f"output_dir={tmp_path / 'maps'}")[0] == 0
    written = read_raster(tmp_path / "maps" / "chips" / "prediction_5.tif").values[0]
    assert (written == by_hand.classes).all()


@pytest.mark.slow
def test_time_alone_of_three_dates(tmp_path, run):
    data = write_chips(tmp_path / "data", steps=3, count=4)
    for number in range(4):
        path = data / "chips" / f"chip_{number}.tif"
        with rasterio.open(path, "r+") as target:
            target.update_tags(DATES="2020-01-01;2020-02-01;2020-12-31")
    status, _, err = run(f"root_dir={data}", *TABLES, *TL, "dataloader.temporal_dim=3", "train.num_epochs=1")
    assert status == 0, err
    assert "train.csv: time is known for 2, place for 2 of 2 chips" in err
    model, chip = load_model(tmp_path / "run"), data / "chips" / "chip_3.tif"
    days = [date(2020, 1, 1), date(2020, 2, 1), date(2020, 12, 31)]
    by_file = model.predict(chip).probabilities
    np.testing.assert_array_equal(model.predict(chip, dates=days).probabilities, by_file)
    turned = model.predict(chip, dates=list(reversed(days))).probabilities
    assert np.nanmax(np.abs(turned - by_file)) > 1e-6


@pytest.mark.slow
def test_a_variant_without_coordinates_says_nothing_of_them(data, run):
    tell(data, range(6))
    status, _, err = run(f"root_dir={data}", *TABLES, *QUICK, "model.head=linear")
    assert status == 0, err
    assert "time is known" not in err


@pytest.mark.slow
def test_two_processes_train_where_only_some_chips_are_known(data, tmp_path):  # pitfalls 23, 26
    tell(data, [1, 4])
    command = [sys.executable, "-m", "instageo.model.run", f"root_dir={data}", "train_filepath=train.csv"]
    command += ["valid_filepath=train.csv", *TL, "train.batch_size=1", "train.num_epochs=2", "devices=2"]
    command += ["strategy=ddp", f"hydra.run.dir={tmp_path / 'run'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "time is known for 1, place for 4 of 4 chips" in done.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert max(columns(tmp_path / "run")["val_mIoU"]) == pytest.approx(metrics["mIoU"], abs=1e-6)
    assert sum(map(sum, metrics["confusion_matrix"])) == 4 * (1024 - 16)
    assert all(abs(float(read(tmp_path / "run", "last.ckpt")[key]) - 0.1) > 1e-5 for key in SCALES)


@pytest.mark.slow
def test_a_network_without_published_weights_starts_from_random_ones(data, run, tmp_path):  # pitfall 19
    quick = [setting for setting in QUICK if not setting.startswith("model.load_pretrained_weights")]
    status, _, _ = run(f"root_dir={data}", *TABLES, *quick)
    assert status == 0
    assert (
        "prithvi_eo_tiny starts from random weights: none are published" in (tmp_path / "run" / "run.log").read_text()
    )
