"""Windows placed in the grid of a file, and merged by its blocks."""

import pytest
from affine import Affine

from instageo.errors import RasterError, WindowOutsideError
from instageo.raster.chip_windows.windows import PixelWindow, merge_windows, place_window
from instageo.raster.grid import Grid
from instageo.raster.warp import crs_wkt

UTM32 = crs_wkt("EPSG:32632")
FILE = Grid(UTM32, Affine(30, 0, 600_000, 0, -30, 5_000_000), 1000, 2000)


def chip_at(x, y, *, size=30, crs=UTM32, side=224):
    return Grid(crs, Affine(size, 0, x, 0, -size, y), side, side)


def test_offsets_are_whole_pixels():
    """Pitfall 40: (600300 - 600000) / 30 = 10 columns, (5000000 - 4999400) / 30 = 20 rows."""
    assert place_window(chip_at(600_300, 4_999_400), FILE) == (PixelWindow(20, 10, 224, 224), False)


def test_rows_of_a_south_up_file_are_counted_from_its_south():
    """Its first row is the southernmost: the chip's 224 rows end 20 rows before the last of 1000."""
    south_up = Grid(UTM32, Affine(30, 0, 600_000, 0, 30, 5_000_000 - 30_000), 1000, 2000)
    assert place_window(chip_at(600_300, 4_999_400), south_up) == (PixelWindow(1000 - 20 - 224, 10, 224, 224), True)


@pytest.mark.parametrize(
    ("chip", "words"),
    [
        (chip_at(600_315, 4_999_400), "600315"),  # half a pixel
        (chip_at(600_300, 4_999_400, size=10), "10 x 10"),
        (chip_at(600_300, 4_999_400, crs=crs_wkt("EPSG:32633")), "EPSG:32632.*EPSG:32633"),
        (Grid(UTM32, Affine(30, 1, 600_300, 1, -30, 4_999_400), 224, 224), "rotated"),
    ],
)
def test_another_lattice_is_refused(chip, words):
    with pytest.raises(RasterError, match=words):
        place_window(chip, FILE)


def test_less_than_a_thousandth_of_a_pixel_is_rounding():
    assert place_window(chip_at(600_300.02, 4_999_400), FILE)[0].column == 10


def test_a_window_outside_its_file_is_an_error_of_its_own():
    """Pitfall 47."""
    beyond = chip_at(599_970, 4_999_400)
    with pytest.raises(WindowOutsideError, match="columns -1 to 223"):
        place_window(beyond, FILE)
    assert place_window(beyond, FILE, partial=True)[0] == PixelWindow(20, -1, 224, 224)


def test_neighbours_merge_while_few_blocks_are_read_in_vain():
    """Blocks of 100: windows in blocks (0, 0) and (0, 1) fill their 1 x 2 blocks; with (1, 1) it is 4 blocks for 3."""
    side_by_side = (PixelWindow(10, 10, 50, 50), PixelWindow(10, 110, 50, 50))
    [merged] = merge_windows(side_by_side, (100, 100))
    assert merged.window == PixelWindow(10, 10, 50, 150)
    assert sorted(merged.members) == [0, 1]
    corner = (*side_by_side, PixelWindow(110, 110, 50, 50))
    assert len(merge_windows(corner, (100, 100))) == 2  # 4 / 3 > 1.25
    assert len(merge_windows(corner, (100, 100), max_ratio=4 / 3)) == 1


def test_distant_windows_stay_apart_and_none_is_lost():
    windows = tuple(PixelWindow(row, column, 50, 50) for row in (0, 800) for column in (0, 30, 900))
    groups = merge_windows(windows, (100, 100))
    assert sorted(sorted(group.members) for group in groups) == [[0, 1], [2], [3, 4], [5]]


def test_a_part_beyond_the_file_is_cut_off():
    assert PixelWindow(-10, 990, 50, 50).clip((1000, 1000)) == PixelWindow(0, 990, 40, 10)
    assert PixelWindow(1000, 0, 5, 5).clip((1000, 1000)) is None
