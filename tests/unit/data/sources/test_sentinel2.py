import numpy as np
import pytest
from numpy.testing import assert_array_equal

from instageo.data.reading.step_pixels import combine_bands
from instageo.data.sources.sentinel2 import APPLIED, SENTINEL2, stored_offset
from instageo.data.sources.source import RefusedItemError
from tests.items import item_of

TRUE = np.array([[1200, -37, 300, 2500, 700, 800]])
"""Reflectance x 10000 on the ground."""


def image(collection="sentinel-2-l2a", **properties):
    return item_of(collection=collection, **properties)


def old(baseline):
    return {"s2:processing_baseline": baseline}


@pytest.mark.parametrize(
    ("item", "offset"),
    [
        (image(**old("03.01")), 0),
        (image(**old("02.14")), 0),
        (image(**old("04.00")), -1000),
        (image(day="2018-07-01", **old("05.00")), -1000),  # an older image that was processed again
        (image("sentinel-2-c1-l2a"), -1000),
        (image(**old("05.09"), **{APPLIED: True}), 0),
        (image(**old("03.01"), **{APPLIED: False}), 0),
        (image(**{"processing:version": "05.10"}), -1000),
        (image(name="S2A_MSIL2A_20220301T101021_N0400_R022_T32TPM"), -1000),
    ],
)
def test_the_offset_follows_the_baseline_and_the_collection(item, offset):  # pitfall 53
    assert stored_offset(item, None) == offset


def test_an_image_that_does_not_tell_is_refused_unless_the_user_says():
    item = image(name="legacy", **old("04.00"), **{APPLIED: False})
    with pytest.raises(RefusedItemError, match=r"legacy: .* is unknown; use --catalog planetary"):
        stored_offset(item, None)
    assert (stored_offset(item, "pending"), stored_offset(item, "applied")) == (-1000, 0)


def test_one_truth_in_four_products_gives_the_same_pixels():  # pitfalls 53, 54
    valid = np.ones(TRUE.shape, bool)
    results = []
    for item, shift in ((image(**old("03.01")), 0), (image(**old("04.00")), 1000), (image("sentinel-2-c1-l2a"), 1000),
                        (image(day="2018-07-01", **old("05.00")), 1000)):  # fmt: skip
        stored = (TRUE + shift).astype(np.int32)
        results.append(combine_bands({"BLUE": (stored, valid)}, item, SENTINEL2, None, None).values)
    for values in results:
        assert values.dtype == np.int16
        assert_array_equal(values[0], [[1200, -37, 300, 2500, 700, 800]])


def test_no_data_is_decided_before_arithmetic():  # pitfall 54
    stored = np.array([[0, 1000, 2200]], np.uint16)
    pixels = combine_bands({"BLUE": (stored, stored != 0)}, image(**old("04.00")), SENTINEL2, None, None)
    assert_array_equal(pixels.values[0], [[-9999, 0, 1200]])
    assert_array_equal(pixels.valid, [[False, True, True]])


def test_values_beyond_the_type_are_limited_and_counted():  # pitfall 55
    stored = np.array([[65535, 33767, 33766]], np.uint16)
    pixels = combine_bands({"NIR_NARROW": (stored, stored > 0)}, image(**old("04.00")), SENTINEL2, None, None)
    assert_array_equal(pixels.values[0], [[32767, 32767, 32766]])
    assert pixels.saturated == 1


def test_an_offset_that_was_applied_before_is_noticed():  # pitfall 53
    stored = np.tile(np.array([300, 400, 1500, 1600], np.uint16), (25, 10))
    with pytest.raises(RefusedItemError, match="50% of blue and red would be negative"):
        combine_bands(
            dict.fromkeys(["BLUE", "RED"], (stored, stored > 0)), image(**old("04.00")), SENTINEL2, None, None
        )


def test_a_few_dark_pixels_do_not_refuse_an_image():
    """A narrow part of an area may be water alone."""
    stored = np.full((1, 999), 900, np.uint16)
    bands = dict.fromkeys(["BLUE", "RED"], (stored, stored > 0))
    assert (combine_bands(bands, image(**old("04.00")), SENTINEL2, None, None).values == -100).all()
