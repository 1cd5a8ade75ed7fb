from datetime import UTC, datetime

import pytest

from instageo.data.items.item import item_from_stac
from instageo.data.matching.candidates import MatchRules
from instageo.data.matching.dates import DateRule
from instageo.data.matching.match import match
from instageo.data.matching.scenes import find_scenes
from instageo.data.observations.observation import Observation
from instageo.data.output.skipped import Reason
from instageo.data.sources.hls import HLS
from instageo.data.sources.sentinel2 import SENTINEL2
from instageo.raster.warp import WGS84, transform_coordinates
from tests.items import item_of, lonlat_of, record_of, tile_grid

PRODUCTS = HLS.products["planetary"]


def observation(number=1, row=1000.5, column=500.5, day="2024-05-03", tile="32TPM"):
    grid = tile_grid(tile)
    [lon], [lat] = transform_coordinates(grid.crs, WGS84, *grid.to_crs([row], [column]))
    return Observation(number, lon, lat, datetime.fromisoformat(day).replace(tzinfo=UTC), 1.0, "1")


def scenes_of(*items, source=HLS, products=PRODUCTS, bands=("BLUE", "RED"), max_cloud=10.0):
    def no_header(asset):
        raise AssertionError("the records have grids")

    return find_scenes(items, source, products, bands, max_cloud=max_cloud, stated=None, grid_of=no_header)


def matched(items, *observations, steps=1, **rules):
    dates = DateRule(steps=steps, step_days=15, tolerance_days=5)
    return match(observations, scenes_of(*items), MatchRules(dates, **rules))


def test_the_nearest_image_is_preferred_then_the_clearest_then_the_first_name():
    items = [
        item_of(name="far", day="2024-04-29"),
        item_of(name="near_cloudy", day="2024-05-02", platform="b", **{"eo:cloud_cover": 9}),
        item_of(name="near", day="2024-05-02", platform="c", **{"eo:cloud_cover": 1}),
    ]
    [plan] = matched(items, observation()).plans
    assert [item.id for item in plan.candidates[0]] == ["near", "near_cloudy", "far"]
    assert plan.name == "T32TPM_20240503_0896_0448"


def test_days_are_whole_days_of_utc():  # pitfall 48
    times = {
        "too early": "2024-05-02T23:59:59Z", "first": "2024-05-03T00:00:00Z", "last": "2024-05-03T23:59:59Z",
        "too late": "2024-05-04T00:00:00Z", "other zone": "2024-05-02T23:30:00-01:00",  # 00:30 on the third
        "other zone, too late": "2024-05-03T23:30:00-01:00",
    }  # fmt: skip
    items = [item_of(name=name, day=time, platform=name) for name, time in times.items()]
    rules = MatchRules(DateRule(tolerance_days=0, when="around"))
    [plan] = match([observation(day="2024-05-03T22:00:00")], scenes_of(*items), rules).plans
    assert sorted(item.id for item in plan.candidates[0]) == ["first", "last", "other zone"]


def test_the_larger_part_of_an_image_that_was_split_serves_first():  # pitfall 69
    column = 500 + 224 // 2
    parts = {"west": (0, column + 20), "east": (column + 20, 3660)}  # the window is columns 448 to 671
    items = []
    for name, columns in parts.items():
        corners = [(0, columns[0]), (0, columns[1]), (3660, columns[1]), (3660, columns[0]), (0, columns[0])]
        ring = [list(lonlat_of("32TPM", *corner)) for corner in corners]
        west, east = min(lon for lon, _ in ring), max(lon for lon, _ in ring)
        record = record_of(name=name, day="2024-05-02")
        record |= {"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [west, 43.2, east, 44.3]}
        items.append(item_from_stac(record))
    [plan] = matched(items, observation()).plans
    assert [item.id for item in plan.candidates[0]] == ["west", "east"]  # 632 - 448 and 672 - 632 columns


def test_points_of_a_cell_and_date_share_a_chip():  # pitfall 66
    points = [observation(1, 900, 450), observation(2, 1100, 600), observation(3, 900, 700)]
    plans = matched([item_of(day="2024-05-02")], *points).plans
    assert [[point.number for point in plan.observations] for plan in plans] == [[1, 2], [3]]
    plans = matched([item_of(day="2024-05-02")], *points, per_point=True).plans
    assert [plan.name for plan in plans] == [
        "T32TPM_20240503_0896_0448_p1", "T32TPM_20240503_0896_0448_p2", "T32TPM_20240503_0896_0672_p3",
    ]  # fmt: skip


def test_dates_of_a_chip_are_oldest_first():  # pitfall 50
    items = [item_of(day="2024-05-02"), item_of(day="2024-04-18")]
    [plan] = matched(items, observation(), steps=2).plans
    assert [step[0].time.date().isoformat() for step in plan.candidates] == ["2024-04-18", "2024-05-02"]
    [plan] = matched(items, observation(), steps=2, newest_first=True).plans
    assert [step[0].time.date().isoformat() for step in plan.candidates] == ["2024-05-02", "2024-04-18"]


@pytest.mark.parametrize(
    ("items", "reason", "words"),
    [
        ([record_of(day="2024-03-02")], Reason.NO_ITEM, "2024-04-28 to 2024-05-03: the catalogue has no image"),
        ([record_of(day="2024-03-02"), record_of(name="grey", day="2024-05-01", **{"eo:cloud_cover": 60})],
         Reason.TOO_CLOUDY, "grey: 60 % clouds"),
        ([record_of(day="2024-03-02"), record_of(name="poor", day="2024-05-01", assets=("B02", "Fmask"))],
         Reason.ASSET_MISSING, "poor has no asset B04"),
        ([record_of(name="grey", day="2024-05-01", **{"eo:cloud_cover": 60})], Reason.TOO_CLOUDY, "grey"),
        ([record_of(day="2024-05-01", tile="33TTG")], Reason.NOT_PLACED, "the images that were found lie elsewhere"),
    ],
)  # fmt: skip
def test_every_observation_without_a_chip_has_a_reason(items, reason, words):  # pitfall 56
    [skipped] = matched([item_from_stac(record) for record in items], observation(7, column=100)).skipped
    assert (skipped.number, skipped.reason) == (7, reason)
    assert words in skipped.detail


def test_exchanged_coordinates_and_chips_larger_than_the_images_are_told():
    right = observation()
    wrong = Observation(2, right.latitude, right.longitude, right.time, 1.0, "1")
    [skipped] = matched([item_of()], right, wrong).skipped
    assert (skipped.number, skipped.reason) == (2, Reason.NOT_PLACED)
    assert skipped.detail.endswith("; with lat and lon exchanged it would lie in one")
    [skipped] = matched([item_of(size=100)], right, size=224).skipped
    assert skipped.detail == "chips of 224 pixels are larger than the images, which have 100"


def test_an_image_whose_footprint_misses_the_chip():  # pitfall 46
    record = record_of(name="half", day="2024-05-01")
    west, south, east, north = record["bbox"]
    middle = west + (east - west) * 0.6
    ring = [[middle, south], [east, south], [east, north], [middle, north], [middle, south]]
    record["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    left, right = (
        matched([item_from_stac(record)], observation(1)),
        matched([item_from_stac(record)], observation(2, column=3000)),
    )
    assert [(row.reason, row.detail[-34:]) for row in left.skipped] == [
        (Reason.OUTSIDE_SWATH, ": half does not cover the chip")
    ] or left.skipped[0].reason is Reason.OUTSIDE_SWATH
    assert len(right.plans) == 1


def test_dates_before_the_first_image_of_the_sensor():  # pitfall 49
    rules = {"first_day": datetime(2020, 1, 1).date()}
    [skipped] = matched([item_of()], observation(day="2012-05-03"), **rules).skipped
    assert skipped.reason is Reason.BEFORE_SENSOR
    assert "the first image is of 2020-01-01" in skipped.detail


def test_few_observations_in_a_tile():
    result = matched([item_of(day="2024-05-02")], observation(1), observation(2, 2000), min_count=3)
    assert [row.reason for row in result.skipped] == [Reason.FEW_OBSERVATIONS] * 2
    assert len(matched([item_of(day="2024-05-02")], observation(1), observation(2, 2000), min_count=2).plans) == 2


def test_a_missing_date_can_be_filled():
    items = [item_of(day="2024-05-02")]
    [skipped] = matched(items, observation(), steps=2).skipped
    assert skipped.detail.startswith("date 1 of 2, 2024-04-13 to 2024-04-23")
    [plan] = matched(items, observation(), steps=2, fill_missing=True).plans
    assert [len(step) for step in plan.candidates] == [0, 1]


def test_an_image_that_does_not_tell_its_offset_gives_its_reason():  # pitfall 53
    legacy = item_of(name="legacy", day="2024-05-02", collection="sentinel-2-l2a", **{
        "s2:processing_baseline": "05.00", "earthsearch:boa_offset_applied": False})  # fmt: skip
    products = SENTINEL2.products_in("earthsearch", "sentinel-2-l2a", {"BLUE": "B02", "quality": "Fmask"})
    scenes = scenes_of(legacy, source=SENTINEL2, products=products, bands=("BLUE",))
    [skipped] = match([observation()], scenes, MatchRules(DateRule())).skipped
    assert skipped.reason is Reason.SHIFT_UNKNOWN
    assert "--sentinel2-shift" in skipped.detail


def test_images_at_night_are_left_out():
    night = item_of(name="night", day="2024-05-02T22:00:00Z")
    assert len(matched([night], observation()).plans) == 1
    [skipped] = matched([night], observation(), daytime_only=True).skipped
    assert skipped.reason is Reason.NIGHT
