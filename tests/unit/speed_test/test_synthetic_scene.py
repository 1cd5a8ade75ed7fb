"""Scenes for measurements have the layers that a model's files have."""

import numpy as np
import pytest
import rasterio

from instageo.errors import OutOfMemoryError
from instageo.model import build_network
from instageo.model.inference.predictor import Predictor
from instageo.model.scenes.date_layers import ReadingOptions
from instageo.model.scenes.scene_input import SceneFiles, open_scene_input
from instageo.model.settings import Settings
from instageo.model.settings.compose import update_settings
from instageo.model.speed_test.synthetic_scene import write_synthetic_scene

MEAN, STD = [100.0, 200.0, 300.0, 400.0, 500.0, 600.0], [15.0] * 6


def predictor_with(**values):
    chips = {"mean": MEAN, "std": STD, "img_size": 16, **values}
    settings = update_settings(
        Settings(),
        {f"dataloader.{key}": value for key, value in chips.items()}
        | {"model.model_name": "prithvi_eo_tiny", "model.depth": 1},
    )
    dates = settings.dataloader.temporal_dim
    net = build_network("prithvi_eo_tiny", num_classes=2, depth=1, img_size=16, temporal_dim=dates, head="linear")
    return Predictor(net.eval(), settings)


@pytest.mark.parametrize(
    ("values", "means"),
    [
        ({}, MEAN),
        ({"num_layers": 6}, MEAN),
        (
            {"bands": [11, 2, 3, 8, 10, 1], "num_layers": 13},
            [100, 600, 200, 300, 500, 600, 100, 200, 400, 400, 500, 100, 100],
        ),
        ({"bands": [6, 5, 4, 3, 2, 1], "bands_given": True}, [100, 600, 500, 400, 300, 200, 100]),
        ({"bands": [5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 10, 11], "num_layers": 12, "temporal_dim": 2}, [*MEAN[::-1], *MEAN]),
    ],
)
def test_the_chosen_bands_are_where_the_model_reads_them(tmp_path, values, means):
    predictor, path = predictor_with(**values), tmp_path / "scene.tif"
    write_synthetic_scene(predictor, path, 100, 10.0)
    with rasterio.open(path) as file:
        stored = file.read()
    np.testing.assert_allclose(stored.mean((1, 2)), means, atol=15)  # areas of one value: 49 of them
    source = open_scene_input(SceneFiles(str(path), (str(path),)), predictor, ReadingOptions())
    assert source.scene.grid.shape == (100, 100)


def test_bands_that_are_found_by_name(tmp_path):
    names = ["SWIR2", "BLUE", "GREEN", "RED", "NIR", "SWIR1"]
    predictor, path = predictor_with(band_names=names, bands_by_name=True), tmp_path / "scene.tif"
    write_synthetic_scene(predictor, path, 32, 10.0)
    with rasterio.open(path) as file:
        assert list(file.descriptions) == names
    open_scene_input(SceneFiles(str(path), (str(path),)), predictor, ReadingOptions())


def test_a_scene_that_memory_cannot_hold(tmp_path):
    with pytest.raises(OutOfMemoryError, match=r"600000 x 600000 pixels needs about .* choose a smaller --tile"):
        write_synthetic_scene(predictor_with(), tmp_path / "scene.tif", 600_000, 10.0)
    assert not (tmp_path / "scene.tif").exists()
