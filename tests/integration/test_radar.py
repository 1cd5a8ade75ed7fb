"""Chips of Sentinel-1 from a table to a map: what lies beside the table says how they are read."""

import json

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from affine import Affine

import instageo
from instageo.model.run import main
from instageo.raster.grid import Grid
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster
from instageo.table import write_table
from tests.integration.conftest import QUICK, SIDE

BESIDE = {"sensor": "sentinel1_rtc", "band_names": ["VV", "VH"], "temporal_dim": 1, "no_data_value": -9999}
BESIDE |= {"constant_multiplier": 1.0, "img_size": SIDE}
WATER_DB, LAND_DB = (-20.0, -27.0), (-8.0, -14.0)


def write_radar(folder, *, unit="linear", count=6, beside=True):
    """Write chips of water (class 1) and land with 4 looks; a corner has power 0, another -32768."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        label = rng.integers(0, 2, (SIDE // 8, SIDE // 8)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
        decibels = np.where(label, np.array(WATER_DB)[:, None, None], np.array(LAND_DB)[:, None, None])
        power = 10 ** (decibels / 10) * rng.gamma(4, 1 / 4, decibels.shape)
        values = power if unit == "linear" else 10 * np.log10(power)
        values[:, :4, :4] = 0 if unit == "linear" else -np.inf
        values[1, -2:, -2:] = -32768
        grid = Grid("EPSG:32614", Affine(10, 0, 500_000 + 320 * number, 0, -10, 4_000_000), SIDE, SIDE)
        row = {"Input": f"chips/chip_{number}.tif", "Label": f"labels/label_{number}.tif"}
        write_raster(folder / row["Input"], values.astype(np.float32), grid, bands=("VV", "VH"))
        write_raster(folder / row["Label"], label[None], grid)
        rows.append(row)
    for name, records in {"train": rows[:-2], "valid": rows[-2:-1], "test": rows[-1:]}.items():
        write_table(folder / f"{name}.csv", records)
    if beside:
        (folder / "settings.json").write_text(json.dumps({"dataloader": BESIDE, "label": {"kind": "raster"}}))
    return folder


TABLES = ["train_filepath=train.csv", "valid_filepath=valid.csv"]


@pytest.fixture(scope="module")
def trained_on_radar(tmp_path_factory):
    """Chips with settings beside them, and a run that was told nothing about them."""
    base = tmp_path_factory.mktemp("radar")
    data = write_radar(base / "data")
    speckle = ["dataloader.augmentations.speckle.use=true", "train.num_epochs=3", "train.learning_rate=0.003"]
    assert main([f"root_dir={data}", *TABLES, *QUICK, *speckle, f"hydra.run.dir={base / 'run'}"]) == 0
    return data, base / "run"


def test_a_training_needs_no_setting_of_radar(trained_on_radar):
    data, folder = trained_on_radar
    model = instageo.load_model(folder, device="cpu")
    settings = model.settings.dataloader
    assert (settings.radar_unit, settings.band_names, settings.num_layers) == ("linear", ["VV", "VH"], 2)
    assert (settings.img_size, settings.processing_level) == (SIDE, None)
    pixels = []
    for number in range(4):  # the training chips, by hand
        values = read_raster(data / f"chips/chip_{number}.tif").values.astype(float)
        pixels.append(10 * np.log10(values[:, (values > 0).all(axis=0)]))
    decibels = np.concatenate(pixels, axis=1)
    assert decibels.shape[1] == 4 * (SIDE * SIDE - 16 - 4)
    np.testing.assert_allclose(settings.mean, decibels.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(settings.std, decibels.std(axis=1), rtol=1e-5)
    assert "dataloader.sensor=sentinel1_rtc" in (folder / "run.log").read_text()


def test_a_file_and_its_decibels_give_the_same_map(trained_on_radar):
    data, folder = trained_on_radar
    model = instageo.load_model(folder, device="cpu")
    from_file = model.predict(data / "chips/chip_5.tif")
    values = read_raster(data / "chips/chip_5.tif").values
    with np.errstate(divide="ignore", invalid="ignore"):
        from_array = model.predict(10 * np.log10(values))
    assert from_file.valid.sum() == SIDE * SIDE - 16 - 4
    np.testing.assert_array_equal(from_file.valid, from_array.valid)
    np.testing.assert_allclose(from_file.probabilities, from_array.probabilities, atol=1e-4)


def test_scores_and_maps_with_and_without_settings_beside_the_table(trained_on_radar, run, tmp_path):
    data, folder = trained_on_radar
    scores = []
    plain = write_radar(tmp_path / "plain", beside=False)
    for name, root in {"beside": data, "plain": plain}.items():
        test = [f"root_dir={root}", "test_filepath=test.csv", f"checkpoint_path={folder}", "accelerator=cpu"]
        status, _, _ = run("mode=eval", *test, folder=f"{name}_eval")
        assert status == 0
        scores.append(json.loads((tmp_path / f"{name}_eval" / "metrics.json").read_text()))
        assert run("mode=chip_inference", *test, f"output_dir={tmp_path / name}_maps", folder=f"{name}_maps")[0] == 0
    assert scores[0] == scores[1]


def test_decibels_with_a_network_trained_on_power(trained_on_radar, run, tmp_path):
    _, folder = trained_on_radar
    data = write_radar(tmp_path / "db", unit="db", beside=False)
    test = [f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={folder}", "accelerator=cpu"]
    status, _, err = run("mode=eval", *test, folder="refused")
    assert (status, "looks like decibels" in err) == (1, True)
    known = ["dataloader.sensor=sentinel1_rtc", "dataloader.radar_unit=db"]
    assert run("mode=eval", *test, *known, folder="db")[0] == 0


def test_a_table_of_another_kind_contradicts_the_checkpoint(trained_on_radar, run, tmp_path):
    _, folder = trained_on_radar
    data = write_radar(tmp_path / "data", beside=False)
    (data / "settings.json").write_text(json.dumps({"dataloader": {**BESIDE, "temporal_dim": 2}}))
    status, _, err = run(
        "mode=eval", f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={folder}", "accelerator=cpu"
    )
    assert status == 1
    assert "was trained with dataloader.temporal_dim=1, but you passed dataloader.temporal_dim=2; remove" in err
    assert "(also from settings.json next to the table)" in err


def test_the_library_reads_what_lies_beside_the_table(trained_on_radar, tmp_path):
    data, _ = trained_on_radar
    dataset = instageo.ChipDataset(data / "train.csv", statistics="auto")
    assert dataset.bands == ("VV", "VH")
    item = dataset[0]
    assert item["image"].shape == (2, 1, SIDE, SIDE)
    (tmp_path / "elsewhere").mkdir()
    table = (data / "valid.csv").read_text()
    (tmp_path / "elsewhere" / "valid.csv").write_text(table)
    module = instageo.ChipDataModule(
        data / "train.csv", tmp_path / "elsewhere" / "valid.csv", root_dir=data, crop_size=SIDE, batch_size=2
    )
    module.setup("fit")
    batch = next(iter(module.val_dataloader()))
    assert batch["image"].shape == (1, 2, 1, SIDE, SIDE)
    assert batch["image"].min() >= -50
    ready = module.process(batch)["image"]
    assert torch.isfinite(ready).all()
    assert module.mean == pytest.approx(dataset.mean)


def test_without_a_file_the_sensor_is_enough(run, tmp_path):
    data = write_radar(tmp_path / "data", beside=False)
    tables = [f"root_dir={data}", *TABLES]
    status, _, err = run(*tables, *QUICK, folder="unknown")
    assert status == 1
    assert "has 2 layers, expected 6" in err
    assert "sentinel1_rtc or sentinel1_grd: 2 layers" in err
    assert run(*tables, *QUICK, "dataloader.sensor=sentinel1_rtc", "dataloader.img_size=32")[0] == 0
    status, out, _ = run("mode=stats", f"root_dir={data}", TABLES[0], "dataloader.sensor=sentinel1_rtc", folder="stats")
    assert status == 0
    mean = json.loads(out.splitlines()[-1])["mean"]
    assert all(-30 < value < -8 for value in mean)


def test_checks_and_pictures(trained_on_radar, run):
    data, _ = trained_on_radar
    status, out, _ = run("mode=check", f"root_dir={data}", *TABLES, folder="check")
    assert status == 0
    assert "98.0%" in out  # 1 - 20 / 1024
    status, _, _ = run(
        "mode=show_batch", f"root_dir={data}", TABLES[0], "dataloader.augmentations.speckle.use=true",
        "dataloader.augmentations.speckle.p=1", "dataloader.augmentations.speckle.looks=2", folder="batch",
    )  # fmt: skip
    assert status == 0


def test_haze_is_refused_in_one_sentence(trained_on_radar, run):
    data, _ = trained_on_radar
    status, _, err = run(f"root_dir={data}", *TABLES, *QUICK, "dataloader.augmentations.haze.use=true", folder="haze")
    assert status == 1
    assert "dataloader.augmentations.haze.use=true is for reflectance, but these chips hold radar" in err


def test_a_training_on_settings_beside_the_table_is_resumed(trained_on_radar, run, tmp_path):
    data, _ = trained_on_radar
    common = [f"root_dir={data}", *TABLES, *QUICK]
    assert run(*common)[0] == 0
    status, _, err = run(*common, "train.num_epochs=2", "train.resume=true")
    assert status == 0, err


@pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")  # Lightning with this PyTorch
def test_a_network_trained_with_lightning_keeps_the_unit(trained_on_radar, tmp_path):
    data, _ = trained_on_radar
    bands = ("VV", "VH")
    net = instageo.build_network(
        "prithvi_eo_tiny", num_classes=2, head="linear", depth=1, pretrained=False, bands=bands
    )
    module = instageo.ChipDataModule(
        data / "train.csv", data / "valid.csv", crop_size=SIDE, batch_size=2, augmentations=["hflip", "speckle"]
    )
    task = instageo.SegmentationTask(net, num_classes=2)
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(task, module)
    instageo.save_model(task, tmp_path / "model")
    model = instageo.load_model(tmp_path / "model", device="cpu")
    assert model.settings.dataloader.radar_unit == "linear"
    assert model.settings.dataloader.mean == pytest.approx(module.mean)
    assert model.predict(data / "chips/chip_5.tif").valid.sum() == SIDE * SIDE - 16 - 4
