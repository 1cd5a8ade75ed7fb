"""Mean and standard deviation are those of NumPy over all valid pixels; class weights; the output of `mode=stats`."""

import json
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from instageo.errors import ConfigError, DataError
from instageo.model.commands.stats import stats
from instageo.model.context import Run
from instageo.model.inspection.class_weights import WEIGHTINGS, compute_class_weights, effective_number
from instageo.model.inspection.statistics import Moments, compute_moments, merge_moments
from instageo.model.settings import DataSettings, ModelSettings, Settings, TrainSettings
from instageo.model.settings.train import CLASS_WEIGHTS


def constant(value, side=4):
    """Return a chip with one value, and its mask."""
    return np.full((1, 1, side, side), value, np.float32), np.ones((1, side, side), bool)


def test_two_levels_by_hand():  # pitfall 10: the mean of the chips' own deviations would be 0
    total = merge_moments(compute_moments(*constant(0)), compute_moments(*constant(10)))
    assert (total.count, total.pixels) == (32, 32)
    assert (total.mean.tolist(), total.std.tolist()) == ([5], [5])


def test_chips_of_mixed_sizes_count_by_their_pixels():  # pitfalls 10, 16
    total = merge_moments(
        compute_moments(*constant(0, side=3)), compute_moments(*constant(10, side=1))
    )  # nine pixels of 0, one of 10
    assert (total.mean.tolist(), total.std.tolist()) == ([1], [3])


@pytest.mark.parametrize("offset", [0, 1e4, 1e6])
def test_a_large_mean_does_not_reduce_the_precision_of_the_deviation(offset):  # pitfalls 10, 23
    total = reduce(merge_moments, [compute_moments(*constant(offset + value)) for value in (0, 2, 2, 0)])
    assert_allclose(total.mean, [offset + 1], rtol=1e-12)
    assert_allclose(total.std, [1], rtol=1e-9)


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=6),
    st.sampled_from([1e-4, 1.0, 1e4]),
    st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    st.integers(0, 999),
)
def test_any_split_gives_the_moments_of_numpy(shapes, unit, missing, seed):  # pitfalls 9, 10
    rng = np.random.default_rng(seed)
    chips = []
    for shape in shapes:
        valid = rng.random((2, *shape)) >= missing
        image = unit * (rng.normal(3, 1, (3, 1, 1, 1)) + rng.random((3, 2, *shape)))
        chips.append((np.where(valid, image, -9999), valid))
    total = reduce(merge_moments, [compute_moments(*chip) for chip in chips])
    values = np.concatenate([image[:, valid] for image, valid in chips], axis=1)
    assert total.count == values.shape[1]
    assert total.pixels == sum(valid.size for _, valid in chips)
    if total.count:
        assert_allclose(total.mean, values.mean(1), rtol=1e-9)
        assert_allclose(total.std, values.std(1), rtol=1e-9, atol=1e-12 * unit)


def test_moments_survive_conversion_to_a_dictionary():
    moments = compute_moments(np.array([[1.1, -2.2, 1e-17], [3.3, 1e9, 0]]), np.array([True, True, False]))
    restored = Moments.from_dict(json.loads(json.dumps(moments.to_dict())))
    for name, value in vars(moments).items():
        np.testing.assert_array_equal(getattr(restored, name), value)


@pytest.mark.parametrize(
    ("counts", "weighting", "weights"),
    [
        ([3, 1], "inverse", [2 / 3, 2]),
        ([5, 5], "inverse", [1, 1]),
        ([4, 0], "inverse", [0.5, 0]),
        ([1, 2, 3], "inverse", [2, 1, 2 / 3]),
        ([10**12, 10**12], "inverse", [1, 1]),
        ([4, 1], "sqrt", [5 / 6, 5 / 3]),  # 1/2 and 1, times 5 / (4/2 + 1/1)
        ([1, 9, 0], "sqrt", [10 / 6, 10 / 18, 0]),  # 1 and 1/3, times 10 / (1 + 3) * 2/3
        ([3, 1], "effective", [16 / 19, 28 / 19]),  # N = 2: numbers 7/4 and 1, so 4/7 and 1, times 4 / (12/7 + 1)
        ([5, 5], "sqrt", [1, 1]),
        ([5, 5], "effective", [1, 1]),
        ([1, 1], "effective", [1, 1]),
        ([1, 0], "effective", [0.5, 0]),
        ([0, 7], "sqrt", [0, 0.5]),
        ([0, 0], "sqrt", [0, 0]),
        ([0, 0], "effective", [0, 0]),
    ],
)
def test_class_weights_by_hand(counts, weighting, weights):
    assert_allclose(compute_class_weights(counts, weighting), weights, rtol=1e-8)


def test_weights_are_inverse_to_the_counts_by_default():
    assert compute_class_weights([1, 2, 3]) == compute_class_weights([1, 2, 3], "inverse")


def test_effective_numbers_by_hand():
    assert_allclose(effective_number(np.array([1.0, 2.0, 3.0])), [1, 1.5, 1.75])  # N = 2: 2 (1 - 1/2^n)
    huge = effective_number(np.array([10.0**12, 1.0]))
    assert_allclose(huge, [5e11 * (1 - np.exp(-2)), 1], rtol=1e-6)  # N = 5 10^11


present_counts = st.lists(st.integers(1, 10**9), min_size=2, max_size=8)


@given(present_counts, st.sampled_from(list(WEIGHTINGS)))
def test_a_labelled_pixel_weighs_one_on_average(counts, weighting):
    weights = np.array(compute_class_weights(counts, weighting))
    assert (weights * counts).sum() / sum(counts) == pytest.approx(1)
    assert np.isfinite(weights).all()
    assert (weights > 0).all()


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=8).filter(any), st.sampled_from(list(WEIGHTINGS)))
def test_absent_classes_weigh_zero_and_rare_ones_no_less_than_frequent_ones(counts, weighting):
    weights = np.array(compute_class_weights(counts, weighting))
    assert ((weights == 0) == (np.array(counts) == 0)).all()
    share = np.count_nonzero(counts) / len(counts)
    assert (weights * counts).sum() / sum(counts) == pytest.approx(share)
    present = sorted((count, weight) for count, weight in zip(counts, weights, strict=True) if count)
    weights_by_count = [weight for _, weight in present]
    assert all(first >= second * (1 - 1e-9) for first, second in pairwise(weights_by_count))


def test_milder_weightings_lie_between_equal_and_inverse():
    spread = {
        name: max(weights) / min(weights) for name in WEIGHTINGS if (weights := compute_class_weights([1000, 10], name))
    }
    assert spread["inverse"] == pytest.approx(100)
    assert spread["sqrt"] == pytest.approx(10)
    assert 10 < spread["effective"] < 100


def test_settings_accept_every_weighting():
    assert set(CLASS_WEIGHTS) == {"auto", *WEIGHTINGS}
    for name in CLASS_WEIGHTS:
        assert Settings(train=TrainSettings(class_weights=name)).train.class_weights == name


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("squared", "inverse, sqrt, effective"),
        ([1.0], "2 weights"),
        ([0, 0], "not all 0"),
        ([1, -1], "0 or more"),
        ([1, float("nan")], "0 or more"),
        (3, "one weight"),
    ],
)
def test_settings_reject_other_weights(weights, words):
    with pytest.raises(ConfigError, match=rf"train\.class_weights=.*{words}"):
        Settings(train=TrainSettings(class_weights=weights), model=ModelSettings(num_classes=2))


@pytest.fixture
def table(make_raster, tmp_path):
    """Return a function that writes chips (values, label) and returns a run of `mode=stats` on them."""

    def make(*pairs, ignore_index=-1, **data):
        lines = ["Input,Label"]
        for number, (values, label) in enumerate(pairs):
            make_raster(f"{number}.tif", np.asarray(values, dtype=np.int16))
            make_raster(f"{number}_label.tif", np.asarray(label, dtype=np.int16))
            lines.append(f"{number}.tif,{number}_label.tif")
        (tmp_path / "train.csv").write_text("\n".join(lines))
        settings = Settings(
            root_dir=str(tmp_path),
            train_filepath="train.csv",
            train=TrainSettings(ignore_index=ignore_index),
            model=ModelSettings(num_classes=2),
            dataloader=DataSettings(**{"mean": [0], "std": [1], **data}),
        )
        return Run(settings, tmp_path)

    return make


@pytest.mark.parametrize("ignore_index", [-1, 255])
def test_the_line_of_json_by_hand(table, capsys, tmp_path, ignore_index):  # pitfalls 9, 10, 11, 16
    run = table(
        ([[0, 0, -9999]], [[0, 0, 1]]),
        ([[10, -9999], [10, -9999]], [[1, ignore_index], [0, 0]]),
        ignore_index=ignore_index,
        constant_multiplier=0.1,
    )
    stats(run)
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "stats.json").read_text()
    assert printed.count("\n") == 1
    result = json.loads(printed)
    assert_allclose(result.pop("mean"), [0.5], rtol=1e-6)
    assert_allclose(result.pop("std"), [0.5], rtol=1e-6)
    assert_allclose(result.pop("class_weights"), [2 / 3, 2])  # three pixels of class 0, one of class 1
    assert_allclose(result.pop("class_weights_sqrt"), [4 / (1 + 3**0.5) / 3**0.5, 4 / (1 + 3**0.5)])
    assert_allclose(result.pop("class_weights_effective"), [16 / 19, 28 / 19])  # effective numbers 7/4 and 1
    assert result == {"class_counts": [3, 1], "valid_fraction": 4 / 7}


def test_bands_are_counted_over_all_dates(table, capsys):  # pitfall 17
    layers = np.array([1, 10, 3, 30])[:, None, None]  # two bands at two dates
    stats(table((layers, [[0]]), temporal_dim=2, mean=[0, 0], std=[1, 1]))
    result = json.loads(capsys.readouterr().out)
    assert (result["mean"], result["std"]) == ([2, 20], [1, 10])


def test_a_table_without_valid_pixels_raises_an_error(table):  # pitfall 21
    with pytest.raises(DataError, match="no valid pixel"):
        stats(table(([[-9999]], [[0]])))


@pytest.mark.parametrize("name", ["root_dir", "train_filepath"])
def test_missing_settings_are_named(tmp_path, name):
    values = {"root_dir": str(tmp_path), "train_filepath": "train.csv", name: None}
    with pytest.raises(ConfigError, match=name):
        stats(Run(Settings(**values), tmp_path))
