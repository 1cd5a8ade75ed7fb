"""Samples before and after augmentation: colours computed by hand."""

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from instageo.model.chips.sample import Sample
from instageo.model.figures.colors import IGNORED_COLOR, MISSING_COLOR
from instageo.model.figures.rgb import select_rgb
from instageo.model.figures.samples import (
    SamplePair,
    SampleStyle,
    color_image,
    color_label,
    draw_samples,
    first_date,
)

RED, BLUE = (255, 0, 0), (0, 0, 255)


def style(*bands):
    return SampleStyle(bands, ("land", "water"), (RED, BLUE), 255)


def sample(dates=1):
    """Three bands of 101 pixels in a row: 0..100, ten times and a hundred times as much; the first is no-data."""
    ramp = torch.arange(101.0).view(1, 1, 1, 101)
    image = torch.cat([ramp, 10 * ramp, 100 * ramp]).expand(3, dates, 1, 101).clone()
    valid = torch.ones(dates, 1, 101, dtype=torch.bool)
    valid[..., 0], image[..., 0] = False, -9999
    label = (torch.arange(101) > 50).long()[None].clone()
    label[0, 0] = 255
    return Sample(image, valid, label)


@pytest.mark.parametrize(
    ("bands", "indices"),
    [
        (("BLUE", "GREEN", "RED", "NIR_NARROW"), (2, 1, 0)),
        (("RED", "SWIR_1", "BLUE", "GREEN"), (0, 3, 2)),
        (("NIR_NARROW", "RED", "GREEN", "SWIR_1"), (0, 1, 2)),
        (("A", "B"), (0, 1, 1)),
        (("VV",), (0, 0, 0)),
    ],
)
def test_bands_drawn_as_colours(bands, indices):
    image = np.arange(len(bands)).reshape(-1, 1, 1)
    layers, names = select_rgb(image, bands)
    assert (layers[:, 0, 0].tolist(), names) == (list(indices), tuple(bands[index] for index in indices))


@pytest.mark.parametrize(("bands", "values"), [(("VV", "VH"), [-8, -14]), (("VH", "DEM", "VV"), [-14, 300, -8])])
def test_radar_is_drawn_as_vv_vh_and_their_ratio(bands, values):
    layers, names = select_rgb(np.array(values).reshape(-1, 1, 1), bands)
    assert (layers[:, 0, 0].tolist(), names) == ([-8, -14, 6], ("VV", "VH", "VV - VH"))


def test_an_image_is_stretched_between_percentiles_of_valid_pixels():  # pitfall 9
    """Of 1..100 the 2nd and 98th percentile are 2.98 and 98.02."""
    colors = color_image(sample(), sample(), 0, "ABC")
    assert tuple(colors[0, 0]) == MISSING_COLOR
    assert (colors[0, 1:, 0] == colors[0, 1:, 2]).all()
    assert colors[0, [1, 2, 99, 100], 0].tolist() == [0, 0, 255, 255]
    np.testing.assert_array_equal(colors[0, 3:99, 0], np.floor((np.arange(3, 99) - 2.98) / (98.02 - 2.98) * 255))


def test_changes_of_brightness_are_visible():
    brighter = sample()
    brighter.image[:, :, :, 1:] += 20
    colors = color_image(brighter, sample(), 0, "ABC")
    assert colors[0, 30, 0] == int((50 - 2.98) / (98.02 - 2.98) * 255)


def test_an_image_without_valid_pixels_has_the_no_data_colour():
    empty = sample()
    empty.valid[:] = False
    assert (color_image(empty, empty, 0, "ABC") == MISSING_COLOR).all()


def test_a_label_has_the_colours_of_its_classes():
    colors = color_label(sample(), style("A"))
    assert [tuple(colors[0, column].tolist()) for column in (0, 1, 50, 51)] == [IGNORED_COLOR, RED, RED, BLUE]
    unlabelled = Sample(sample().image, sample().valid)
    assert (color_label(unlabelled, style("A")) == IGNORED_COLOR).all()


def test_the_first_date_with_observations():
    multitemporal = sample(dates=3)
    assert first_date(multitemporal) == 0
    multitemporal.valid[0] = False
    assert first_date(multitemporal) == 1
    multitemporal.valid[:] = False
    assert first_date(multitemporal) == 0


def test_image_level_labels_have_no_panels(tmp_path):
    labelled = sample()
    image_level = Sample(labelled.image, labelled.valid, torch.ones(1, 1, dtype=torch.long))
    for pair, name in ((labelled, "pixels"), (image_level, "chip")):
        draw_samples([SamplePair("chip.tif", pair, pair)], style("RED", "GREEN", "BLUE"), tmp_path / f"{name}.png")
    widths = [imread(tmp_path / f"{name}.png").shape[1] for name in ("pixels", "chip")]
    assert widths == [pytest.approx(100 * (panels * 2.6 + 0.5), abs=1) for panels in (4, 2)]
    picture = np.round(imread(tmp_path / "chip.png")[..., :3] * 255)
    assert not (picture == RED).all(-1).any()


@pytest.mark.parametrize("dates", [1, 3])
def test_a_figure_is_written(tmp_path, dates):
    pairs = [SamplePair("chip.tif\nhflip, " + 9 * "resized_crop, ", sample(dates), sample(dates))] * 2
    draw_samples(pairs, style("RED", "GREEN", "BLUE"), tmp_path / "samples.png")
    picture = imread(tmp_path / "samples.png")
    assert picture.shape[0] == pytest.approx(100 * (2 * (2.6 + 0.3 * (dates > 1)) + 1.1), abs=1)
    for color in (MISSING_COLOR, IGNORED_COLOR, RED, BLUE):
        assert (np.round(picture[..., :3] * 255) == color).all(-1).sum() > 20
