"""Which chips are unlike those of the training, by quantiles of their bands."""

import numpy as np
import pytest

from instageo.model.chips.distribution_shift import ValueRange, chip_quantiles, describe_unlike

BANDS = "BLUE", "RED"


def test_quantiles_of_valid_pixels_of_all_dates():
    image = np.zeros((2, 2, 1, 101), np.float32)
    image[0] = np.arange(101)
    image[1] = 7
    valid = np.ones((2, 1, 101), bool)
    valid[1], image[:, 1] = False, 9999  # a date without observations
    assert chip_quantiles(image, valid).tolist() == [[5, 7], [50, 7], [95, 7]]
    assert chip_quantiles(image, np.zeros_like(valid)) is None


def test_quantiles_are_those_of_numpy_in_float64():
    image = np.random.default_rng(0).normal(size=(3, 2, 40, 50)).astype(np.float32)
    expected = np.quantile(image.reshape(3, -1).astype(np.float64), [0.05, 0.5, 0.95], axis=1)
    np.testing.assert_array_equal(chip_quantiles(image, np.ones((2, 40, 50), bool)), expected)


def chips(offsets):
    """Quantiles of chips of two bands, 100, 200 and 300 in each, plus an offset of the chip."""
    base = np.array([[100.0, 100.0], [200.0, 200.0], [300.0, 300.0]])
    return [base + offset for offset in offsets]


def test_the_range_by_hand():
    usual = ValueRange.from_chips(chips(range(101)))
    # percentiles 1 and 99 of 0..100 are 1 and 99; margin: a tenth of 98, and the spread of 200 / 101 chips
    margin = 9.8 + 200 / 101
    assert np.array(usual.low)[:, 0] == pytest.approx(np.array([101, 201, 301]) - margin)
    assert np.array(usual.high)[:, 1] == pytest.approx(np.array([199, 299, 399]) + margin)
    assert ValueRange.from_dict(usual.to_dict()) == usual


def test_haze_lifts_the_dark_pixels_out_of_the_range():
    usual = ValueRange.from_chips(chips(range(101)))
    [chip] = chips([50])
    assert usual.find_unlike(chip, BANDS) == {}
    hazy = chip.copy()
    hazy[0, 0] = 215  # the darkest pixels of BLUE; the median stays within the range
    assert usual.find_unlike(hazy, BANDS) == {"BLUE": "higher"}
    assert usual.find_unlike(chip / 10000, BANDS) == {"BLUE": "lower", "RED": "lower"}


def test_one_training_chip_allows_as_much_as_its_own_spread():
    usual = ValueRange.from_chips(chips([0]))
    assert usual.find_unlike(chips([199])[0], BANDS) == {}
    assert usual.find_unlike(chips([201])[0], BANDS) == {"BLUE": "higher", "RED": "higher"}


def test_old_checkpoints_tell_mean_and_deviation_alone():
    usual = ValueRange.from_statistics([200, 200], [10, 100])
    assert usual.find_unlike(chips([29])[0], BANDS) == {}
    assert usual.find_unlike(chips([31])[0], BANDS) == {"BLUE": "higher"}
    assert usual.find_unlike(chips([-31])[0], BANDS) == {"BLUE": "lower"}


def test_the_sentence_names_share_bands_and_direction():
    like, blue, both = {}, {"BLUE": "higher"}, {"BLUE": "higher", "GREEN": "higher"}
    sentence = describe_unlike([like] * 2 + [blue] * 16 + [both] * 22)
    assert sentence.startswith("38 of 40 chips have higher values in BLUE, GREEN than nearly all training chips")
    assert describe_unlike([like] * 22 + [blue] * 18) is None
    mixed = describe_unlike([{"BLUE": "higher", "RED": "lower"}] * 3)
    assert mixed.startswith("3 of 3 chips have higher values in BLUE and 3 of 3 chips have lower values in RED than")
    assert describe_unlike([]) is None
    assert mixed.endswith("or are these other bands? Compare mode=stats of both tables")
    alone = describe_unlike([{"BLUE": "higher"}])
    assert alone.startswith("the image has higher values in BLUE than")
    assert alone.endswith("or are these other bands?")  # there is no table
