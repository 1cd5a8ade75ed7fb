"""Label maps of points: the pixel that contains a point, squares, and points that contradict each other."""

from datetime import UTC, datetime

import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_array_equal

from instageo.data.labelling.point_labels import PointStatus, label_map
from instageo.data.observations.observation import Observation
from instageo.errors import ConfigError, DataError
from instageo.raster.grid import Grid
from instageo.raster.warp import WGS84, crs_wkt, transform_coordinates

UTM = "EPSG:32632"
LABELLED, CONFLICT, OUTSIDE = PointStatus.LABELLED, PointStatus.CONFLICT, PointStatus.OUTSIDE


def utm_grid(height, width):
    return Grid(crs_wkt(UTM), Affine(30, 0, 500_000, 0, -30, 4_000_000), height, width)


def points(*places):
    """Observations at (row, column, label) of the grid, as fractions."""
    xs, ys = [500_000 + 30 * column for _, column, _ in places], [4_000_000 - 30 * row for row, _, _ in places]
    lonlats = zip(*transform_coordinates(UTM, WGS84, xs, ys), strict=True)
    return [
        Observation(number, lon, lat, datetime(2024, 5, 16, tzinfo=UTC), label)
        for number, ((lon, lat), (_, _, label)) in enumerate(zip(lonlats, places, strict=True), start=1)
    ]


def test_the_labelled_pixel_contains_the_point():  # pitfall 64
    labels = label_map(utm_grid(3, 4), points((0.01, 0.01, 5), (0.99, 3.99, 6), (2.5, 1.99, 7)))
    assert_array_equal(labels.values, [[5, -1, -1, 6], [-1, -1, -1, -1], [-1, 7, -1, -1]])
    assert (labels.values.dtype, labels.conflicts, labels.statuses) == (np.int16, 0, (LABELLED,) * 3)


def test_a_south_up_grid_labels_the_same_place():  # pitfall 45
    grid = Grid(crs_wkt(UTM), Affine(30, 0, 500_000, 0, 30, 4_000_000 - 90), 3, 4)
    labels = label_map(grid, points((0.5, 1.5, 5)))
    assert np.argwhere(labels.values == 5).tolist() == [[2, 1]]


def test_squares_end_at_the_border_and_are_not_shifted():  # pitfall 64
    values = label_map(utm_grid(4, 5), points((0.5, 0.5, 3)), window=1).values
    assert_array_equal(values == 3, [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0] * 5, [0] * 5])
    values = label_map(utm_grid(4, 5), points((2.5, 2.5, 3)), window=1).values
    assert np.argwhere(values == 3).min(axis=0).tolist() == [1, 1]
    assert (values == 3).sum() == 9


def test_points_outside_are_told_even_if_their_square_would_reach_in():
    labels = label_map(utm_grid(2, 2), points((-0.5, 0.5, 1), (2.5, 0.5, 1), (0.5, 0.5, 4)), window=1)
    assert labels.statuses == (OUTSIDE, OUTSIDE, LABELLED)
    assert set(labels.values.ravel()) == {4}


def test_two_labels_in_one_pixel_are_ignored_and_counted():  # pitfall 65
    labels = label_map(utm_grid(1, 2), points((0.2, 0.2, 0), (0.8, 0.8, 1), (0.5, 1.5, 1)))
    assert (labels.values.tolist(), labels.conflicts) == ([[-1, 1]], 1)
    assert labels.statuses == (CONFLICT, CONFLICT, LABELLED)


def test_equal_labels_in_one_pixel_are_no_conflict():
    labels = label_map(utm_grid(1, 1), points((0.2, 0.2, 2), (0.8, 0.8, 2)))
    assert (labels.values.item(), labels.conflicts, labels.statuses) == (2, 0, (LABELLED, LABELLED))


def test_the_first_of_two_labels_wins_where_wanted():
    labels = label_map(utm_grid(1, 2), points((0.2, 0.2, 3), (0.8, 0.8, 1), (0.5, 0.5, 3)), on_conflict="first")
    assert (labels.values.tolist(), labels.conflicts) == ([[3, -1]], 1)
    assert labels.statuses == (LABELLED, CONFLICT, LABELLED)


def test_values_are_averaged_where_wanted():
    observations = points((0.2, 0.2, 1.0), (0.8, 0.8, 2.0), (0.5, 0.5, 4.5))
    labels = label_map(utm_grid(1, 2), observations, on_conflict="mean", classes=False)
    assert (labels.values.dtype, labels.values.tolist(), labels.conflicts) == (np.float32, [[2.5, -9999]], 1)
    with pytest.raises(ConfigError, match="cannot average classes"):
        label_map(utm_grid(1, 2), observations, on_conflict="mean")


def test_contradictions_are_refused_with_their_rows_where_wanted():
    with pytest.raises(DataError, match="rows 2 and 3 of the table lie in one pixel and have the labels 0 and 1"):
        label_map(utm_grid(1, 2), points((0.5, 1.5, 0), (0.2, 0.2, 0), (0.8, 0.8, 1)), on_conflict="error")


def test_squares_that_overlap_count_like_points_in_one_pixel():
    labels = label_map(utm_grid(3, 5), points((1.5, 1.5, 0), (1.5, 3.5, 1)), window=1)
    assert_array_equal(labels.values, [[0, 0, -1, 1, 1]] * 3)
    assert (labels.conflicts, labels.statuses) == (3, (LABELLED, LABELLED))


@pytest.mark.parametrize("on_conflict", ["ignore", "first"])
def test_many_points_give_the_map_of_a_plain_loop(on_conflict):
    rng = np.random.default_rng(1)
    places = [(*rng.uniform(0.001, 19.999, 2), int(rng.integers(3))) for _ in range(300)]
    expected: dict[tuple[int, int], set[int]] = {}
    first: dict[tuple[int, int], int] = {}
    for row, column, label in places:
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                pixel = int(row) + down, int(column) + right
                if min(pixel) >= 0 and max(pixel) < 20:
                    expected.setdefault(pixel, set()).add(label)
                    first.setdefault(pixel, label)
    values = np.full((20, 20), -1)
    for pixel, labels in expected.items():
        values[pixel] = first[pixel] if on_conflict == "first" else (labels.pop() if len(labels) == 1 else -1)
    result = label_map(utm_grid(20, 20), points(*places), window=1, on_conflict=on_conflict)
    assert_array_equal(result.values, values)


def test_a_chip_without_points_has_no_label():
    labels = label_map(utm_grid(2, 2), [])
    assert ((labels.values == -1).all(), labels.conflicts, labels.statuses) == (True, 0, ())
