"""Charts of areas over time."""

import numpy as np
import pytest
from matplotlib.image import imread

from instageo.area_maps.figures.areas_over_time import draw_areas_over_time
from instageo.errors import ConfigError
from instageo.model.figures.canvas import save_figure
from instageo.raster.area_products.time_series import AreasOverTime
from instageo.raster.area_products.zone_areas import ZoneArea, ZoneAreas, ZoneClass

MAGENTA, GREEN = (255, 0, 255), (0, 255, 0)


def classes_at(share, *, zone="A"):
    """Areas of a zone of 100 hectares, of which a share was observed, half of it each class."""
    observed = 100 * share
    classes = tuple(ZoneClass(number, name, 50, observed / 2, 0.5) for number, name in enumerate(["Land", "Water"]))
    return ZoneArea(zone, classes, 100, observed, 100 - observed, 100)


def series_of(shares, labels):
    return AreasOverTime(
        labels,
        tuple(ZoneAreas(("map.tif",), (classes_at(share), classes_at(share, zone="B")), True) for share in shares),
    )


def count_pixels(path, color):
    return int((np.round(imread(path)[..., :3] * 255) == color).all(axis=-1).sum())


def test_classes_have_their_colours(tmp_path):
    series = series_of([1, 0.9, 0.7], ("2026-01-05", "2026-01-21/2026-01-25", "2026-02-06"))
    draw_areas_over_time(series, tmp_path / "new" / "chart.png", colors=["#ff00ff", "#00ff00"])
    path = tmp_path / "new" / "chart.png"
    assert imread(path).shape[:2] == (600, 1080)
    assert count_pixels(path, GREEN) > 500  # the last class lies on the first one
    assert count_pixels(path, MAGENTA) > 50  # in the legend


def test_dates_that_were_hardly_observed_are_hollow_and_off_the_curve(tmp_path, monkeypatch):
    figures = []

    def save(figure, path, dpi):
        figures.append(figure)
        save_figure(figure, path, dpi)

    monkeypatch.setattr("instageo.area_maps.figures.areas_over_time.save_figure", save)
    draw_areas_over_time(series_of([1, 0.49, 0.5], ("a", "b", "c")), tmp_path / "chart.png")
    upper = figures[0].axes[0]
    curves = [line for line in upper.lines if not line.get_label().startswith("_")]
    assert [(line.get_label(), list(line.get_xdata()), list(line.get_ydata())) for line in curves] == [
        ("Land", [0, 2], [50, 25]), ("Water", [0, 2], [50, 25]),
    ]  # fmt: skip
    hollow = [line for line in upper.lines if line not in curves]
    assert {(line.get_xdata()[0], line.get_ydata()[0], line.get_markerfacecolor()) for line in hollow} == {
        (1, 24.5, "white")
    }


@pytest.mark.parametrize(
    "labels", [[f"2026-{month:02}-01" for month in range(1, 13)] * 2, [f"run {n}" for n in range(24)]]
)
def test_many_dates(tmp_path, labels):
    draw_areas_over_time(series_of([1] * 24, tuple(labels)), tmp_path / "chart.png", zone="B")
    assert count_pixels(tmp_path / "chart.png", (65, 155, 223)) > 500  # the usual colour of water


def test_values_and_dates_without_any(tmp_path):
    dates = [
        ZoneAreas(("map.tif",), (ZoneArea("A", (), 1, hectares, 100 - hectares, 100, mean, 1.0),), False)
        for mean, hectares in ((10, 100), (20, 20), (None, 0))
    ]
    draw_areas_over_time(AreasOverTime(("dry", "wet", "after"), tuple(dates)), tmp_path / "chart.png")
    assert count_pixels(tmp_path / "chart.png", (0, 114, 178)) > 50


def test_an_unknown_zone_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"zone=C is unknown; choose one of A, B"):
        draw_areas_over_time(series_of([1], ("2026-01-05",)), tmp_path / "chart.png", zone="C")
