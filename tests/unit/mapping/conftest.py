"""Networks whose maps can be computed by hand, and scenes to map with them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from affine import Affine

from instageo.model.inference.predictor import Predictor
from instageo.model.mapping.ensemble import Ensemble
from instageo.model.mapping.map_scene import map_scene
from instageo.model.mapping.prepared_map import MapOptions
from instageo.model.scenes.date_layers import ReadingOptions
from instageo.model.scenes.scene_input import SceneFiles, open_scene_input
from instageo.model.settings import DataSettings, ModelSettings, Settings, TestSettings, TrainSettings
from instageo.raster.grid import Grid
from instageo.raster.reading import read_raster
from instageo.raster.warp import crs_wkt
from instageo.raster.writing import write_raster

NO_DATA = -9999
UTM = Affine(10, 0, 5e5, 0, -10, 5e6)


class Remainder(torch.nn.Module):
    """Gives each pixel the class of its value modulo K, with certainty."""

    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes

    def forward(self, image, _time, _location):
        remainder = image[:, 0, 0].long().remainder(self.num_classes)
        return 50.0 * torch.nn.functional.one_hot(remainder, self.num_classes).permute(0, 3, 1, 2).float()


class Content(torch.nn.Module):
    """Gives logits that depend on all pixels of a tile, and on the place of each in it, so that tiles disagree."""

    def __init__(self, num_outputs):
        super().__init__()
        self.num_outputs = num_outputs

    def forward(self, image, _time, _location):
        first = image.mean(dim=(1, 2)) / 100
        place = torch.arange(first.shape[-1]) - torch.arange(first.shape[-2])[:, None]
        means = first.mean(dim=(-2, -1), keepdim=True)
        planes = [torch.sin(first * (k + 1) + place / (k + 2)) + k * means.sin() for k in range(self.num_outputs)]
        return torch.stack(planes, dim=1)


def make_predictor(net, num_outputs, tile, *, overlap=None, batch_size=3, num_bands=1, num_dates=1, **settings):
    data = DataSettings(
        mean=[0.0] * num_bands, std=[1.0] * num_bands, band_names=[f"B{n}" for n in range(num_bands)],
        no_data_value=NO_DATA, img_size=tile, temporal_dim=num_dates, label_mean=0.0, label_std=1.0,
    )  # fmt: skip
    return Predictor(
        net.eval(),
        Settings(
            dataloader=data,
            model=ModelSettings(num_classes=num_outputs),
            test=TestSettings(overlap=overlap),
            train=TrainSettings(batch_size=batch_size),
            **settings,
        ),
    )


def write_scene(path, values, *, transform=UTM, crs="EPSG:32632", no_data=NO_DATA):
    values = values if values.ndim == 3 else values[None]
    grid = Grid(crs and crs_wkt(crs), transform, *values.shape[1:])
    write_raster(path, values, grid, no_data_value=no_data)
    return path


@pytest.fixture
def mapped(tmp_path):
    """Return a function that maps an array, and returns the layers of each file of the map."""

    def call(values, predictors, *, options=None, symmetries=None, name="map.tif", **scene):
        path = write_scene(tmp_path / "scene.tif", values, **scene)
        predictors = predictors if isinstance(predictors, list) else [predictors]
        ensemble = Ensemble(predictors, symmetries) if symmetries else Ensemble(predictors)
        source = open_scene_input(SceneFiles("scene", (str(path),)), ensemble.first, ReadingOptions())
        made = map_scene(ensemble, source, tmp_path / name, options or MapOptions(), {})
        layers = {kind: read_raster(file) for kind, file in made.files.items()}
        return SimpleNamespace(made=made, **{kind: raster.values for kind, raster in layers.items()}, rasters=layers)

    return call


@pytest.fixture
def noise():
    return lambda *shape, seed=0: np.random.default_rng(seed).integers(0, 3000, shape).astype(np.int16)
