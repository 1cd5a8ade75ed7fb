"""Few searches for many places."""

from datetime import date

import numpy as np
import pytest

from instageo.data.catalogs.boxes import SearchQuery, search_boxes, touches

DAYS = date(2024, 5, 1), date(2024, 5, 31)


def boxes(*lonlats):
    return [query.box for query in search_boxes((*lonlat, *DAYS) for lonlat in lonlats)]


def test_points_of_a_tile_need_one_search():
    rng = np.random.default_rng(0)
    points = rng.uniform((11.2, 43.3), (12.4, 44.2), (100, 2))  # the tile crosses longitude 12 and latitude 44
    [box] = boxes(*points)
    assert box[0] < points[:, 0].min() < points[:, 0].max() < box[2]
    assert box[2] - box[0] < 1.3


def test_whole_days_with_both_ends_closed():  # pitfall 48
    [query] = search_boxes([(11.5, 44.0, date(2024, 5, 10), date(2024, 5, 10)), (11.6, 44.0, *DAYS)])
    assert query.datetime == "2024-05-01T00:00:00Z/2024-06-01T00:00:00Z"


def test_days_up_to_the_end_of_the_calendar():
    query = SearchQuery((11.0, 44.0, 12.0, 45.0), date(2024, 5, 1), date.max)
    assert query.datetime == "2024-05-01T00:00:00Z/9999-12-31T00:00:00Z"
    assert str(query.end) == "9999-12-31 00:00:00+00:00"
    assert SearchQuery(query.box, date.min, date.min).datetime == "0001-01-01T00:00:00Z/0001-01-02T00:00:00Z"


def test_boxes_never_cross_longitude_180():  # pitfall 44
    assert boxes((179.98, 0.5), (-179.98, 0.5)) == [(-179.99, 0.49, -179.97, 0.51), (179.97, 0.49, 179.99, 0.51)]
    assert boxes((179.995, 0.5)) == [(-180.0, 0.49, -179.995, 0.51), (179.985, 0.49, 180.0, 0.51)]
    assert boxes((180.0, 0.5)) == boxes((-180.0, 0.5)) == [(-180.0, 0.49, -179.99, 0.51), (179.99, 0.49, 180.0, 0.51)]


@pytest.mark.parametrize("lat", [90.0, -90.0])
def test_poles(lat):
    [box] = boxes((10.5, lat))
    assert (box[1], box[3]) == ((89.99, 90.0) if lat > 0 else (-90.0, -89.99))


def test_boxes_are_small_and_hold_all_points():
    points = np.random.default_rng(1).uniform((-180, -90), (180, 90), (500, 2))
    found = boxes(*points)
    assert all(east - west <= 2.021 and north - south <= 2.021 for west, south, east, north in found)
    for lon, lat in points:
        assert any(west <= lon <= east and south <= lat <= north for west, south, east, north in found)


def test_an_item_across_longitude_180_touches_both_sides():
    east, west = (179.0, 0.0, 180.0, 1.0), (-180.0, 0.0, -179.0, 1.0)
    for bounds in ((179.5, 0.2, -179.5, 0.8), (-180.5, 0.2, -179.5, 0.8), (179.5, 0.2, 180.5, 0.8)):
        assert touches(bounds, east)
        assert touches(bounds, west)
        assert not touches(bounds, (0.0, 0.0, 1.0, 1.0))


def test_queries_sort():
    assert SearchQuery((0, 0, 1, 1), *DAYS) < SearchQuery((1, 0, 2, 1), *DAYS)
