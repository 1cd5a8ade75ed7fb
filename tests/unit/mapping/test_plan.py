"""Panels: their memory does not grow with the scene."""

import pytest

from instageo.model.inference.tiling import Tiling
from instageo.model.mapping.plan import MAX_PANEL_COLUMNS, plan_map
from instageo.raster.grid import Grid
from instageo.raster.scenes.scene import BandSource, SceneLayers
from tests.unit.mapping.conftest import UTM


def scene(width, *, block=512):
    sources = tuple(BandSource("scene.tif", layer) for layer in range(6))
    return SceneLayers(Grid(None, UTM, 1000, width), sources, 1, (None,), (block, block), "int16")


def panels(width, memory_mb=1000, **options):
    return plan_map(scene(width, **options), Tiling(224, 196), 2, spread=False, memory_mb=memory_mb).num_panels


@pytest.mark.parametrize(("width", "expected"), [(1, 1), (10_980, 1), (11_264, 1), (11_265, 2), (30_000, 3)])
def test_panels_are_at_most_22_blocks_wide(width, expected):
    assert MAX_PANEL_COLUMNS == 11_264
    assert panels(width) == expected


def test_less_memory_makes_narrower_panels():
    """A column takes 13 x (224 + 4 x 512) + 4 x 2 x (224 + 4 x 512) bytes: 47,712. Of 300 MB, 6,287 columns are left
    without two tiles of 224 at the borders, less than 5,839: 11 blocks of 22."""
    assert panels(10_980, memory_mb=300) == 2
    assert panels(10_980, memory_mb=530) == 1
