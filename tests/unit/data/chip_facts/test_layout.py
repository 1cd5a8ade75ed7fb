"""Which layers of a file are bands of an image."""

import numpy as np
import pytest

from instageo.data.chip_facts.layout import ignored_layers, image_layers
from instageo.data.cleaning.clean_settings import CleanSettings
from instageo.data.cleaning.table_cleaning import clean_table
from instageo.raster.reading import read_info
from tests.cleaning import BANDS, ChipTableWriter, chip_grid, ground_chip


@pytest.mark.parametrize(
    ("names", "layers"),
    [
        (("blue", "green", "hls_fmask", "dem"), [0, 1]),
        (("fmask", "dem"), [0, 1]),  # no band of a sensor: nothing tells what the layers are
        (("blue", "", "dem"), [0, 1, 2]),
        ((), [0, 1, 2]),
        (("blue_1", "red_1", "scl_1", "blue_2", "red_2", "scl_2"), [0, 1, 3, 4]),
    ],
)
def test_layers_that_are_not_bands_are_left_out_where_all_are_named(make_raster, names, layers):
    count = len(names) or 3
    info = read_info(make_raster("chip.tif", np.ones((count, 2, 2), np.int16), bands=names))
    assert image_layers(info) == layers
    assert ignored_layers(info) == tuple(names[layer] for layer in range(len(names)) if layer not in layers)
    assert image_layers(info, ["A"] * count) == list(range(count))


def test_a_flat_elevation_next_to_bands_is_not_reported(tmp_path):
    rng, writer = np.random.default_rng(0), ChipTableWriter(tmp_path)
    for number in range(3):
        values, label = ground_chip(rng)
        flat = np.zeros((1, *values.shape[1:]), np.int16)
        writer.add(f"{number}", np.concatenate([values, flat]), label, chip_grid(number), bands=(*BANDS, "dem"))
    report = clean_table(CleanSettings(writer.write()))
    assert report.with_findings == 0
    assert any("not bands of a sensor are not checked: dem;" in remark for remark in report.remarks)
