"""Pixels as stored become the network's input inside the graph exactly as the program's own reading makes them."""

from datetime import date

import numpy as np
import pytest
import torch
from affine import Affine
from torch import nn

from instageo.model.augmentations.pipeline import normalize
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.image import read_chip
from instageo.model.graphs.pixel_network import (
    NO_DATA_TOLERANCE,
    PixelNetwork,
    PixelScaler,
    PixelScaling,
    StackedPixelNetwork,
    activate,
)
from instageo.model.tasks.multilabel import MultiLabel
from instageo.model.tasks.regression import Regression, RegressionOutputs
from instageo.model.tasks.segmentation import Segmentation
from instageo.model.tasks.target_scale import TargetScale
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster

FORMATS = {
    "reflectance": ChipFormat(2, no_data_value=-9999, multiplier=0.5, offset=10, max_value=900),
    "plain": ChipFormat(2),
    "power": ChipFormat(2, no_data_value=-9999, multiplier=0.001, radar_unit="linear"),
    "decibels": ChipFormat(2, no_data_value=-32768, multiplier=0.01, offset=-20, radar_unit="db"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_graph_scales_as_the_reader_does(tmp_path, name):
    chip_format, rng = FORMATS[name], np.random.default_rng(0)
    stored = rng.integers(1, 3000, (6, 8, 8)).astype(np.float32)  # two dates of three bands
    stored[1, 0] = np.nan
    stored[4, 2, 2:5] = chip_format.no_data_value or np.inf
    stored[0, 5, 5] = 0  # no power
    write_raster(tmp_path / "chip.tif", stored, Grid("EPSG:32614", Affine(30, 0, 0, 0, -30, 0), 8, 8))
    chip = read_chip(tmp_path / "chip.tif", chip_format)
    mean, std = (5.0, 6.0, 7.0), (2.0, 3.0, 4.0)
    expected = normalize(*map(torch.from_numpy, (chip.image, chip.valid)), torch.tensor(mean), torch.tensor(std))
    scaling = PixelScaling(
        mean, std, chip_format.multiplier, chip_format.offset, chip_format.no_data_value, chip_format.max_value,
        chip_format.radar_unit,
    )  # fmt: skip
    pixels = torch.from_numpy(stored.reshape(2, 3, 8, 8).swapaxes(0, 1).copy())[None]
    torch.testing.assert_close(PixelScaler(scaling)(pixels)[0], expected)
    assert 0 < (expected == 0).float().mean() < 0.5


def test_no_data_is_recognised_after_division_by_255():
    scaling = PixelScaling((0.0,), (1.0,), no_data=-9999.0)
    network = PixelNetwork(
        FirstBand(), PixelScaler(scaling, tolerance=NO_DATA_TOLERANCE), None, (torch.zeros(2, 2), torch.zeros(2))
    )
    values = torch.tensor([-9999.0, -9998.0, 510.0, torch.nan])
    stacked = StackedPixelNetwork(network, dates=2)(torch.stack([values, values]).view(1, 2, 1, 4) / 255)
    torch.testing.assert_close(stacked[0, :, 0], torch.tensor([[0, -9998.0, 510, 0]] * 2))


class FirstBand(nn.Module):
    """Returns the first band of all dates as outputs."""

    def forward(self, image, time, location):
        return image[:, 0]


class Coordinates(nn.Module):
    def forward(self, image, time, location):
        return torch.cat([time.flatten(1), location], 1)


def test_coordinates_can_be_fixed():
    time, location = torch.tensor([[2024.0, 65.0]]), torch.tensor([10.0, 20.0])
    fixed = PixelNetwork(Coordinates(), None, None, (time, location))
    assert fixed(torch.zeros(2, 1, 1, 1, 1)).tolist() == [[2024, 65, 10, 20]] * 2
    free = PixelNetwork(Coordinates(), None, None)
    assert free(torch.zeros(1, 1, 1, 1, 1), time[None], location[None]).tolist() == [[2024, 65, 10, 20]]
    assert date(2024, 3, 5).timetuple().tm_yday == 65


def test_outputs_become_probabilities_or_natural_values():
    outputs = torch.tensor([[0.0, np.log(3)]]).view(1, 2, 1, 1)
    assert activate(outputs, Segmentation(("a", "b"))).flatten().tolist() == pytest.approx([0.25, 0.75])
    assert activate(outputs, MultiLabel(("a", "b"))).flatten().tolist() == pytest.approx([0.5, 0.75])
    log = Regression(TargetScale(mean=1.0, std=2.0, log=True))
    assert activate(outputs[:, 1:], log).flatten().tolist() == pytest.approx([np.expm1(1 + 2 * np.log(3))])
    median = Regression(TargetScale(), RegressionOutputs(levels=(0.1, 0.5)))
    assert activate(outputs, median).shape == (1, 1, 1, 1)
    assert activate(outputs, None) is outputs
