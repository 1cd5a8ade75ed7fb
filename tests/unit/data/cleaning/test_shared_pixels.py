"""Overlaps that are found from pixels alone, compared with a search through all positions."""

import csv
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from instageo.data.chip_facts.facts import Anchors
from instageo.data.chip_facts.fingerprints import find_anchors
from instageo.data.cleaning.shared_pixels import MOST_CHIPS, propose_overlaps, verify_overlaps
from instageo.raster.grid import Grid, Raster
from instageo.raster.reading import read_raster
from tests.cleaning import ground_chip

FLOODS = Path(__file__).parents[5] / "shared" / "data" / "hls_flood"

STEP, BLOCK = 16, 8
"""Distance and side of the blocks that the reference looks for: more than a quarter of a chip of 128 pixels is at least
33 pixels high and wide, so that a whole block lies in it."""


def raster(values):
    grid = Grid(None, Affine.identity(), *values.shape[1:])
    return Raster(values, np.ones(values.shape, bool), grid, ("",) * len(values))


def find(chips):
    """Return the overlaps of chips (L, H, W) as {(first, second): (rows, columns, share)}."""
    anchors = [find_anchors(chip, np.ones(chip.shape[1:], bool)) for chip in chips]
    pairs = verify_overlaps(propose_overlaps(anchors), lambda position: raster(chips[position]))
    return {(pair.first, pair.second): (*pair.offset, pytest.approx(pair.share)) for pair in pairs}


def search(one, other):
    """Return the shift (rows, columns) at which two chips agree in more than a quarter, by trying all positions."""
    _, height, width = one.shape
    first_pixels = other[:, : height - BLOCK + 1, : width - BLOCK + 1]
    for top in range(0, height - BLOCK + 1, STEP):
        for left in range(0, width - BLOCK + 1, STEP):
            block = one[:, top : top + BLOCK, left : left + BLOCK]
            for row, column in np.argwhere(first_pixels[0] == block[0, 0, 0]):
                rows, columns = top - row, left - column
                if np.array_equal(other[:, row : row + BLOCK, column : column + BLOCK], block):
                    overlap = (height - abs(rows)) * (width - abs(columns))
                    own = one[:, max(rows, 0) : height + min(rows, 0), max(columns, 0) : width + min(columns, 0)]
                    its = other[:, max(-rows, 0) : height + min(-rows, 0), max(-columns, 0) : width + min(-columns, 0)]
                    if overlap > height * width / 4 and np.array_equal(own, its) and np.ptp(own):
                        return int(rows), int(columns)
    return None


def test_chips_cut_from_one_image_are_placed_against_each_other():
    scene = ground_chip(np.random.default_rng(1), 256)[0]
    other = ground_chip(np.random.default_rng(2), 64)[0]
    corners = [(0, 0), (0, 40), (30, 20), (160, 160)]
    chips = [scene[:, row : row + 64, column : column + 64] for row, column in corners]
    assert find([*chips, other]) == {
        (0, 1): (0, 40, 24 * 64 / 4096),
        (0, 2): (30, 20, 34 * 44 / 4096),
        (1, 2): (30, -20, 34 * 44 / 4096),
    }


def test_one_pixel_that_differs_in_the_overlap_refuses_it():
    scene = ground_chip(np.random.default_rng(3), 128)[0]
    one, other = scene[:, :64, :64].copy(), scene[:, 10:74, :64].copy()
    assert (0, 1) in find([one, other])
    other[2, 5, 5] += 1
    assert (0, 1) not in find([one, other])


def test_flat_chips_share_no_ground():
    assert find([np.full((6, 64, 64), 500, np.int16), np.full((6, 64, 64), 500, np.int16)]) == {}


def test_windows_that_very_many_chips_have_are_left_out():
    common = Anchors(np.array([5], np.uint64), np.array([0], np.int32), np.array([0], np.int32))
    assert len(propose_overlaps([common] * MOST_CHIPS)) == MOST_CHIPS * (MOST_CHIPS - 1) // 2
    assert propose_overlaps([common] * (MOST_CHIPS + 1)) == []
    assert propose_overlaps([None, None]) == []


@pytest.mark.slow
@pytest.mark.skipif(not FLOODS.is_dir(), reason="needs real chips without coordinates, which are not in the project")
@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_overlaps_of_real_chips_without_coordinates_are_those_of_a_search_through_all_positions():
    with (FLOODS / "train.csv").open() as file:
        names = [row["Input"] for row in csv.DictReader(file)]
    chips = [read_raster(FLOODS / name, [1, 2, 3, 4, 5, 6]).values for name in names]
    found = {pair: place[:2] for pair, place in find(chips).items() if place[2].expected > 0.25}
    for first in (0, 3, 17, 60):
        expected = {
            (first, second): place
            for second in range(len(chips))
            if second != first and (place := search(chips[first], chips[second]))
        }
        own = {pair: place for pair, place in found.items() if first in pair}
        own |= {(second, one): (-rows, -columns) for (one, second), (rows, columns) in own.items() if one != first}
        assert {pair: place for pair, place in own.items() if pair[0] == first} == expected
    assert len(found) >= 20
