"""Scenes are inspected in blocks of rows; the statistics are those of the whole."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from instageo.errors import DataError
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.chip_labels import ChipMultiLabelFormat
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat
from instageo.model.inspection import row_blocks
from instageo.model.inspection.row import InspectionSpec, inspect_row
from instageo.model.inspection.row_blocks import row_windows
from instageo.raster.grid import RasterInfo
from instageo.table import Row
from tests.conftest import CRS_WKT, TRANSFORM, Grid

CHIP = ChipFormat(temporal_dim=2, no_data_value=-9999, multiplier=0.5, offset=3)


@pytest.fixture
def scene(make_raster):
    """Two dates of three bands, 100 x 40 pixels with gaps: chip, classes and values."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 4000, (6, 100, 40)).astype(np.int16)
    image[:, 20:50, :] = -9999  # no valid pixel in some blocks
    image[1, :10] = -9999
    classes = rng.integers(0, 3, (100, 40)).astype(np.uint8)
    classes[60:80] = 255
    values = rng.normal(50, 20, (100, 40)).astype(np.float32).clip(0)
    chip = make_raster("chip.tif", image)
    return {
        "chip": chip,
        "classes": make_raster("classes.tif", classes, no_data_value=255),
        "values": make_raster("values.tif", values),
    }


def inspect(scene, label, label_format, monkeypatch, block_bytes):
    monkeypatch.setattr(row_blocks, "BLOCK_BYTES", block_bytes)
    row = Row("chip.tif", str(scene["chip"]), str(scene.get(label, label)))
    return inspect_row(row, InspectionSpec(CHIP, label_format, with_moments=True))


@pytest.mark.parametrize("rows", [1, 7, 33])
@pytest.mark.parametrize(
    ("label", "label_format"),
    [
        ("classes", LabelFormat(3)),
        ("values", TargetFormat(lower_bound=-1.0)),
        ("a;c", ChipMultiLabelFormat(LabelFormat(3), ("a", "b", "c"))),
    ],
    ids=["classes", "values", "chip labels"],
)
def test_statistics_of_blocks_are_those_of_the_whole(scene, label, label_format, rows, monkeypatch):
    whole = inspect(scene, label, label_format, monkeypatch, 1 << 20)
    blocks = inspect(scene, label, label_format, monkeypatch, rows * 40 * 6 * 2)
    assert blocks.valid_pixels == whole.valid_pixels == 2 * (100 - 30) * 40 - 10 * 40
    assert blocks.class_counts == whole.class_counts
    for one, other in ((blocks.band_moments, whole.band_moments), (blocks.label_moments, whole.label_moments)):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert (one.count, one.pixels) == (other.count, other.pixels)
            for name in ("mean", "deviations", "low", "high"):
                assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12)


def test_wrong_labels_and_empty_chips_are_found_in_any_block(scene, make_raster, monkeypatch):
    wrong = np.zeros((100, 40), np.uint8)
    wrong[99, 39] = 7
    scene["wrong"] = make_raster("wrong.tif", wrong)
    with pytest.raises(DataError, match=r"wrong\.tif: label values \[7\] are outside the classes 0\.\.2"):
        inspect(scene, "wrong", LabelFormat(3), monkeypatch, 4000)
    scene["small"] = make_raster("small.tif", np.zeros((50, 40), np.uint8))
    with pytest.raises(DataError, match=r"50x40 pixels, but its chip .* has 100x40"):
        inspect(scene, "small", LabelFormat(3), monkeypatch, 4000)
    scene["chip"] = make_raster("empty.tif", np.full((6, 100, 40), -9999, np.int16))
    with pytest.raises(DataError, match=r"empty\.tif: no valid pixel"):
        inspect(scene, "classes", LabelFormat(3), monkeypatch, 4000)


def test_blocks_of_a_sentinel2_scene_have_a_bounded_size():
    # 13 layers of 10980 x 10980 uint16: 285,480 bytes a row, so 235 rows of at most 64 MiB
    windows = row_windows(RasterInfo(13, Grid(CRS_WKT, TRANSFORM, 10980, 10980), "uint16", None))
    assert [window[0].stop - window[0].start for window in windows] == [235] * 46 + [10980 - 46 * 235]
    # 6 layers: 131,760 bytes a row, so 509 rows, rounded down to whole tiles of 256
    windows = row_windows(RasterInfo(6, Grid(CRS_WKT, TRANSFORM, 10980, 10980), "uint16", None))
    assert windows[0] == (slice(0, 256), slice(0, 10980))
    assert row_windows(RasterInfo(6, Grid(CRS_WKT, TRANSFORM, 2048, 2048), "uint16", None)) == [None]
