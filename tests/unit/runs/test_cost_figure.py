"""Scores over cost: which points are drawn, and that labels do not overlap."""

import pytest
from matplotlib.image import imread

from instageo.model.runs.cost_figure import Point, draw_cost_figure, figure_points, spread_equal_points
from instageo.model.runs.label_placement import Box, place_labels
from instageo.model.runs.rows import PrimaryMetrics, ReportRow, Spread
from instageo.model.runs.speed import Latency, NetworkSpeed
from tests.unit.runs.conftest import CHIP

METRICS = PrimaryMetrics(("rmse", "r2"), "min")


def row(name, role, gflops, spread, parameters=5_700_000):
    speed = NetworkSpeed(Latency(1.0, 1.0, 1.0), 1.0)
    return ReportRow(
        name, role, ("run",), (1,), parameters, CHIP, int(gflops * 1e9), 1.0, speed, 22_800_000, 22_700_000, {},
        {"rmse": spread, "r2": None}, {},
    )  # fmt: skip


ROWS = [
    row("big", "teacher", 36, Spread(1.0, None, (1.0,)), 86_500_000),
    row("small, distilled", "distilled", 3, Spread(2.0, 0.5, (1.5, 2.5))),
    row("small, alone", "alone", 3, Spread(3.0, 0.0, (3.0, 3.0))),
    row("unknown", "alone", 2, None),
]


def test_the_points_are_the_rows_that_have_a_score():
    assert figure_points(ROWS, METRICS) == [
        Point("big\n86.5 M, 22.8 MB", "teacher", 36.0, 1.0, None, (1.0,)),
        Point("small\n5.70 M, 22.8 MB", "distilled", 3.0, 2.0, 0.5, (1.5, 2.5)),
        Point("small\n5.70 M, 22.8 MB", "alone", 3.0, 3.0, 0.0, (3.0, 3.0)),
    ]


def test_points_of_equal_cost_are_drawn_side_by_side():
    big, one, other = spread_equal_points(figure_points(ROWS, METRICS))
    assert big.gflops == 36
    assert one.gflops < 3 < other.gflops
    assert one.gflops * other.gflops == pytest.approx(9)
    assert other.gflops / one.gflops < 1.2


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], ROWS[1:2]], ids=["all", "teacher alone", "no teacher"])
def test_a_figure_is_written(rows, tmp_path):
    draw_cost_figure(figure_points(rows, METRICS), METRICS, "6 bands", tmp_path / "figure.png")
    picture = imread(tmp_path / "figure.png")
    assert picture.shape[:2] == (960, 1360)
    assert picture[..., :3].std() > 0.05


def test_labels_cover_neither_each_other_nor_obstacles():
    points = [(100 + 12 * number, 100 + 5 * (number % 3)) for number in range(6)]
    obstacles = [Box(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    area = Box(0, 0, 400, 300)
    placed = place_labels(points, [(60, 20)] * 6, obstacles, area, gap=8)
    for number, box in enumerate(placed):
        assert (box.right - box.left, box.top - box.bottom) == (60, 20)
        assert box.intersection(area) == box
        for other in (*obstacles, *placed[:number]):
            assert box.intersection(other).area == 0


def test_a_label_is_above_its_point_and_inside_the_area():
    area = Box(0, 0, 400, 300)
    assert place_labels([(200, 100)], [(60, 20)], [], area, gap=8) == [(170, 108, 230, 128)]
    assert place_labels([(395, 100)], [(60, 20)], [], area, gap=8) == [(327, 90, 387, 110)]
