"""The time and price of a plan, by parts that one can compute by hand."""

from dataclasses import replace

import pytest

from instageo.area_maps.area_plan import AreaPlan, TilePlan, join_plans

PLAN = AreaPlan(
    "beira", "hls", "planetary", 30, (TilePlan("T36KXD", (3000, 2000), ((("a", "2026-11-20T08:00", 5.0),),)),),
    num_tiles=150, least_mb=100, most_mb=200, network_seconds=30,
)  # fmt: skip


def test_the_total_is_the_sum_of_what_is_measured_and_estimated():
    """100 MB take 8 s through 12.5 MB/s and 2 s to decode at 50 MB/s; 6 million pixels take 2 s."""
    assert PLAN.read_seconds == pytest.approx((10, 20))
    assert PLAN.write_seconds == pytest.approx(2)
    assert PLAN.total_seconds == pytest.approx((42, 52))
    assert replace(PLAN, is_remote=False).read_seconds == pytest.approx((2, 4))
    assert PLAN.lines(36)[-1] == (
        "time: 0:42 to 0:52, 0.42 to 0.52 at 36 an hour; of it 0:30 for the network (measured, by a trial with "
        "PyTorch), 0:10 to 0:20 to read (estimated, on a line of 100 Mbit/s), 0:02 to combine and write (estimated)"
    )
    values = PLAN.to_json()
    assert (values["network_seconds"], values["read_seconds"], values["write_seconds"]) == (30, [10, 20], 2)
    assert values["total_seconds"] == [42, 52]


def test_plans_of_periods_are_joined():
    joined = join_plans({"before": PLAN, "after": PLAN})
    assert [tile.name for tile in joined.tiles] == ["before T36KXD", "after T36KXD"]
    assert (joined.num_images, joined.num_tiles, joined.most_mb) == (2, 300, 400)
    assert joined.total_seconds == pytest.approx((84, 104))
    assert join_plans({"": PLAN}) == PLAN
