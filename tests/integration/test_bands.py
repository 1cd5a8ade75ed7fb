"""Other products and bands than the six of the published weights, from files to maps; weights of other runs."""

import json

import numpy as np
import pytest
import torch

from instageo import load_model
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster
from tests.integration.conftest import QUICK, write_chips

TABLES = ["train_filepath=train.csv", "valid_filepath=valid.csv"]
LINEAR = [*QUICK, "model.head=linear"]
L2A, LAYERS = [1, 2, 3, 8, 10, 11], 12
PATCHES = "net.prithvi_encoder.patch_embed.proj.weight"
GARBAGE = 31_000


def rewrite(data, function):
    """Rewrite the chips of a folder with other layers."""
    for path in (data / "chips").iterdir():
        chip = read_raster(path)
        write_raster(path, function(chip.values), chip.grid)
    return data


def as_sentinel_2(values):
    """Twelve layers of Sentinel-2 L2A: the six bands at their positions, 0 for no data, nonsense in the others."""
    layers = np.full((LAYERS, *values.shape[1:]), GARBAGE, np.int16)
    layers[L2A] = np.where(values == -9999, 0, values)
    return layers


def maps(run, data, checkpoint, folder, *more):
    """Class maps of the table `train.csv`."""
    status, _, err = run("mode=chip_inference", f"root_dir={data}", "test_filepath=train.csv",
                         f"checkpoint_path={checkpoint}", f"output_dir={folder}", *more)  # fmt: skip
    assert status == 0, err
    return [read_raster(path).values[0] for path in sorted((folder / "chips").glob("*.tif"))]


def scores(folder):
    """The scores of a run."""
    return json.loads((folder / "metrics.json").read_text())


def state(folder):
    """The state dict of a run's best checkpoint."""
    return torch.load(folder / "instageo_best_checkpoint.ckpt", weights_only=True)["state_dict"]


def test_training_on_a_sensor_equals_training_on_its_bands(trained, run, tmp_path):  # pitfalls 14, 17
    _, folder = trained
    wide = rewrite(write_chips(tmp_path / "wide"), as_sentinel_2)
    sensor = "dataloader.sensor=sentinel2_l2a"
    status, _, err = run(f"root_dir={wide}", *TABLES, *QUICK, "train.num_epochs=2", sensor)
    assert status == 0, err
    assert "reading BLUE, GREEN, RED, NIR_NARROW, SWIR_1, SWIR_2 as date 1: layers [1, 2, 3, 8, 10, 11]" in err
    actual, expected = state(tmp_path / "run"), state(folder)
    assert all(torch.equal(actual[key], expected[key]) for key in expected)
    assert scores(tmp_path / "run") == scores(folder)
    # the layers are read from the checkpoint, without dataloader.sensor
    status, _, err = run("mode=eval", f"root_dir={wide}", "test_filepath=valid.csv",
                         f"checkpoint_path={tmp_path / 'run'}", folder="scored")  # fmt: skip
    assert status == 0, err
    assert scores(tmp_path / "scored") == scores(folder)


def test_a_model_maps_files_of_another_sensor(trained, run, tmp_path):  # pitfalls 2, 6
    data, folder = trained
    own = maps(run, data, folder, tmp_path / "own")
    wide = rewrite(write_chips(tmp_path / "wide"), as_sentinel_2)
    other = maps(run, wide, folder, tmp_path / "other", "dataloader.sensor=sentinel2_l2a")
    assert len(own) == len(other) == 4
    assert all((one == two).all() for one, two in zip(own, other, strict=True))
    assert all((one[:4, :4] == 255).all() for one in other)


def test_a_model_scores_another_sensor_in_its_own_unit(trained, run, tmp_path):
    _, folder = trained
    rng = np.random.default_rng(0)
    stored = rng.integers(8000, 25000, (4, 6, 32, 32)).astype(np.int32)
    usgs, plain = write_chips(tmp_path / "usgs"), write_chips(tmp_path / "plain")
    for number, values in enumerate(stored):
        grid = read_raster(usgs / "chips" / f"chip_{number}.tif").grid
        aerosol = np.full((1, 32, 32), GARBAGE, np.int32)
        write_raster(usgs / "chips" / f"chip_{number}.tif", np.concatenate([aerosol, values]), grid)
        reflectance = (0.275 * values - 2000).astype(np.float32)
        write_raster(plain / "chips" / f"chip_{number}.tif", reflectance, grid)
    results = []
    for data, more in ((plain, []), (usgs, ["dataloader.sensor=landsat8_c2"])):
        status, _, err = run(
            "mode=eval", f"root_dir={data}", "test_filepath=train.csv", f"checkpoint_path={folder}", *more
        )
        assert status == 0, err
        results.append(scores(tmp_path / "run"))
    assert results[1]["confusion_matrix"] == results[0]["confusion_matrix"]
    assert results[1]["roc_auc"] == pytest.approx(results[0]["roc_auc"], abs=1e-4)


def test_four_bands_train_score_and_map(run, tmp_path):  # pitfall 27
    data = rewrite(write_chips(tmp_path / "data"), lambda values: values[:4])
    names = "dataloader.band_names=[BLUE,GREEN,RED,NIR_NARROW]"
    status, _, err = run(f"root_dir={data}", *TABLES, *LINEAR, names)
    assert status == 0, err
    folder = tmp_path / "run"
    content = torch.load(folder / "instageo_best_checkpoint.ckpt", weights_only=True)
    assert content["state_dict"][PATCHES].shape == (256, 4, 1, 16, 16)
    settings = content["instageo"]["settings"]
    assert settings["dataloader.band_names"] == ["BLUE", "GREEN", "RED", "NIR_NARROW"]
    assert settings["dataloader.mean"] == [775.2290, 1080.9928, 1228.5856, 2497.2023]
    status, _, err = run("mode=eval", f"root_dir={data}", "test_filepath=valid.csv", f"checkpoint_path={folder}",
                         folder="scored")  # fmt: skip
    assert status == 0, err
    assert scores(tmp_path / "scored") == scores(folder)
    written = maps(run, data, folder, tmp_path / "maps")
    predicted = load_model(folder).predict(read_raster(data / "chips" / "chip_0.tif").values)
    assert (written[0] == predicted.classes).all()
    assert (written[0][:4, :4] == 255).all()


def test_bands_by_the_codes_of_a_sensor_in_any_order(run, tmp_path):  # pitfalls 17, 27
    wide = rewrite(write_chips(tmp_path / "wide"), as_sentinel_2)
    status, _, err = run(
        f"root_dir={wide}", *TABLES, *LINEAR, "dataloader.sensor=sentinel2_l2a", "dataloader.band_names=[B8A,B02]"
    )
    assert status == 0, err
    assert "reading NIR_NARROW, BLUE as date 1: layers [8, 1]" in err
    folder = tmp_path / "run"
    assert state(folder)[PATCHES].shape[1] == 2
    pair = rewrite(write_chips(tmp_path / "pair"), lambda values: values[[3, 0]])
    model = load_model(folder)
    two = read_raster(pair / "chips" / "chip_0.tif", no_data_value=-9999)
    array = np.where(two.valid, two.values, 0)  # 0 means no data for this sensor
    by_array, by_file = model.predict(array), model.predict(wide / "chips" / "chip_0.tif")
    assert (by_array.classes == by_file.classes).all()
    assert not by_array.valid[:4, :4].any()


def test_the_encoder_of_another_run_is_loaded(trained, run, tmp_path):
    data, folder = trained
    still = ["train.learning_rate=1e-12", "train.weight_decay=0"]
    status, _, err = run(f"root_dir={data}", *TABLES, *LINEAR, *still, f"model.weights={folder}")
    assert status == 0, err
    actual, expected = state(tmp_path / "run"), state(folder)
    encoder = [key for key in expected if key.startswith("net.prithvi_encoder.")]
    assert len(encoder) > 10
    for key in encoder:
        torch.testing.assert_close(actual[key], expected[key])
    assert [key for key in actual if key not in encoder] == [
        "net.segmentation_head.classify.weight", "net.segmentation_head.classify.bias",
    ]  # fmt: skip


def test_bands_of_another_run_are_matched_by_name(trained, run, tmp_path):  # pitfall 27
    _, folder = trained
    data = rewrite(write_chips(tmp_path / "data"), lambda values: values[[5, 2]])
    still = ["train.learning_rate=1e-12", "train.weight_decay=0", "dataloader.band_names=[SWIR_2,RED]"]
    status, _, err = run(f"root_dir={data}", *TABLES, *LINEAR, *still, f"model.weights={folder}")
    assert status == 0, err
    torch.testing.assert_close(state(tmp_path / "run")[PATCHES], state(folder)[PATCHES][:, [5, 2]])
    # and back: two of the six are shared, the others start from their mean, all scaled by 2/6
    six = write_chips(tmp_path / "six")
    status, _, err = run(f"root_dir={six}", *TABLES, *LINEAR, *still[:2], f"model.weights={tmp_path / 'run'}",
                         folder="back")  # fmt: skip
    assert status == 0, err
    shared = state(folder)[PATCHES][:, [5, 2]]
    restored = state(tmp_path / "back")[PATCHES]
    torch.testing.assert_close(restored[:, [5, 2]], shared / 3)
    torch.testing.assert_close(restored[:, 0], shared.mean(1) / 3)
