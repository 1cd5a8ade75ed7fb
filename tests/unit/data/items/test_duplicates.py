from dataclasses import replace
from datetime import timedelta

from instageo.data.items.duplicates import newest_processing
from tests.items import item_of


def kept(*items):
    return [item.id for item in newest_processing(items)[0]]


def test_the_highest_baseline_wins():  # pitfall 52
    old = item_of(name="old", **{"s2:processing_baseline": "02.14", "updated": "2024-09-01"})
    new = item_of(name="new", **{"s2:processing_baseline": "05.00", "updated": "2024-01-01"})
    assert kept(new, old) == kept(old, new) == ["new"]


def test_then_the_newest_record_then_the_last_name():
    first = item_of(name="S2A_0", updated="2024-05-02")
    second = item_of(name="S2A_1", updated="2024-05-03")
    assert kept(second, first) == ["S2A_1"]
    assert kept(item_of(name="a"), item_of(name="b")) == ["b"]


def test_another_satellite_tile_or_minute_is_another_image():
    items = [
        item_of(name="a"), item_of(name="b", platform="sentinel-2b"), item_of(name="c", tile="32TQM"),
        item_of(name="d", day="2024-05-01T10:18:00Z"), item_of(name="e", day="2024-05-01T10:16:30Z"),
    ]  # fmt: skip
    found, dropped = newest_processing(items)
    assert sorted(item.id for item in found) == ["b", "c", "d", "e"]
    assert [item.id for item in dropped] == ["a"]


def test_records_on_both_sides_of_midnight_are_one_image():  # pitfall 48
    before = item_of(name="before", day="2024-05-01T23:59:40Z", updated="2024-06-01")
    after = item_of(name="after", day="2024-05-02T00:00:20Z", updated="2024-06-02")
    assert kept(before, after) == kept(after, before) == ["after"]
    assert kept(before, item_of(name="next", day="2024-05-02T00:00:41Z")) == ["before", "next"]  # 61 s later


def test_parts_of_an_image_that_was_split_are_kept():  # pitfall 69
    west, east = item_of(name="west"), item_of(name="east")
    shifted = type(east)(**{**vars(east), "bounds": (13.0, 43.0, 14.0, 44.0)})
    assert kept(west, shifted) == ["east", "west"]


def test_every_hour_of_two_years_is_an_image_of_its_own():
    """Each record is compared with those of its minute, not with all: a catalogue may give 200,000 of a tile."""
    first = item_of()
    items = [replace(first, id=str(hour), time=first.time + timedelta(hours=hour)) for hour in range(17_520)]
    found, dropped = newest_processing([*items, *(replace(item, id=f"new{item.id}", created="2024") for item in items)])
    assert (len(found), len(dropped)) == (17_520, 17_520)
    assert found[-1].id == "new17519"
