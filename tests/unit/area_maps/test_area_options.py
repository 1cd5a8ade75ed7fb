"""What the options of `instageo map --area` ask for, and those that contradict each other."""

import pytest

from instageo.area_maps.map_command import AREA_OPTIONS, area_requests
from instageo.errors import ConfigError

DEFAULTS = {name: default for name, _, default, _ in AREA_OPTIONS} | {
    "scenes": [], "dates": [], "sensor": None, "bands": None, "band_files": [], "quality": None, "mask": None,
    "dilation": 0.0, "resolution": None, "output": None, "scale_tags": None, "engine": "local", "num_workers": None,
    "address": None,
}  # fmt: skip


def requests(**options):
    return area_requests(DEFAULTS | {"area": "36KXD"} | options)


def test_one_period():
    [(name, request)] = requests(dates=["2026-11-20/2026-11-26"]).items()
    assert (name, request.area, list(map(str, request.days))) == ("", "36KXD", ["2026-11-20/2026-11-26"])
    assert (request.composite, request.mask, request.max_cloud) == ("clearest", None, 100)


def test_dates_of_a_model_of_several_stay_in_their_order():
    [request] = requests(dates=["2026-09-01", "2026-07-01/2026-07-31"]).values()
    assert list(map(str, request.days)) == ["2026-09-01", "2026-07-01/2026-07-31"]


@pytest.mark.parametrize(("mask", "flags"), [(None, None), ("none", ()), ("cloud, snow", ("cloud", "snow"))])
def test_masks(mask, flags):
    [request] = requests(dates=["2026-11-20"], mask=mask).values()
    assert request.mask == flags


def test_two_periods_for_a_model_of_two_dates():
    asked = requests(before="2026-07-01,2026-08-01", after="2026-09-01,2026-10-01")
    assert {name: list(map(str, request.days)) for name, request in asked.items()} == {
        "before": ["2026-07-01", "2026-08-01"], "after": ["2026-09-01", "2026-10-01"],
    }  # fmt: skip


def test_a_series_is_named_by_its_periods():
    asked = requests(dates=["2026-01-01/2026-01-31"], every="30d")
    assert {name: str(request.days[0]) for name, request in asked.items()} == {
        "2026-01-01_2026-01-30": "2026-01-01/2026-01-30", "2026-01-31": "2026-01-31",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "date is missing; give a day such as"),
        ({"before": "2026-01-01"}, "before and after belong together"),
        ({"after": "2026-01-01", "dates": ["2026-02-01"]}, "before and after belong together"),
        ({"before": "2026-01-01", "after": "2026-02-01", "dates": ["2026-02-01"]}, "leave out date and every"),
        ({"before": "2026-01-01", "after": "2026-02-01", "every": "8d"}, "leave out date and every"),
        (
            {"before": "2026-02-01", "after": "2026-02-01/2026-02-03"},
            "before=2026-02-01 does not begin earlier than aft",
        ),
        ({"every": "8d"}, "date is missing"),
        ({"every": "8d", "dates": ["2026-01-01", "2026-02-01"]}, "every: divides one date"),
        ({"scenes": ["scene.tif"], "dates": ["2026-01-01"]}, "SCENE: is for scenes"),
        ({"sensor": "hls", "dates": ["2026-01-01"]}, "--sensor: is for scenes"),
        ({"bands": "RED", "dates": ["2026-01-01"]}, "--bands: is for scenes"),
        ({"band_files": ["RED=r.tif"], "dates": ["2026-01-01"]}, "--band: is for scenes"),
        ({"quality": "q.tif", "dates": ["2026-01-01"]}, "--quality: is for scenes"),
        ({"scale_tags": "apply", "dates": ["2026-01-01"]}, "--scale-tags: is for scenes"),
        ({"output": "map.tif", "dates": ["2026-01-01"]}, "--output map.tif: is a file; an area needs a folder"),
        ({"price_per_hour": 1.0, "dates": ["2026-01-01"]}, "--price-per-hour: is for the plan; add --plan"),
        ({"mask": "none", "dilation": 2.0, "dates": ["2026-01-01"]}, "dilation=2: nothing is masked"),
        ({"dilation": 0.5, "dates": ["2026-01-01"]}, "dilation=0.5 reaches no further pixel; expected 0, or 1 to"),
        ({"composite": "best", "dates": ["2026-01-01"]}, "composite=best is unknown; choose one of clearest, newest"),
    ],
)
def test_options_that_contradict_each_other_are_one_sentence(options, reason):
    with pytest.raises(ConfigError, match=reason) as error:
        requests(**options)
    assert "\n" not in str(error.value)
