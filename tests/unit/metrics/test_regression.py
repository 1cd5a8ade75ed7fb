"""Scores of a regression agree with scikit-learn and SciPy, in parts, in two processes and far from zero."""

import json
import math
from functools import reduce

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from instageo.errors import DataError
from instageo.model.metrics.density import DensityRange
from instageo.model.metrics.error_sums import ErrorSums, ValuePairs
from instageo.model.metrics.regression import RegressionMetrics, scores_from_sums
from instageo.model.metrics.summary import summarize_scores

NAN, INF = math.nan, math.inf


def drawn(seed=0, shape=(2, 40, 50), *, offset=0.0, spread=1.0, kind=np.float32, absent=0.2):
    """Predictions and heavy-tailed truth, of which a fifth is NaN."""
    source = np.random.default_rng(seed)
    truth = source.gamma(1.5, 1, shape)
    prediction = 0.8 * truth + 0.3 * source.standard_normal(shape)
    truth[source.random(shape) < absent] = NAN
    return tuple(torch.from_numpy((offset + spread * values).astype(kind)) for values in (prediction, truth))


def reference(prediction, truth, expected_error=(0.05, 0.15)):
    """The same scores by others, from the pixels with a truth."""
    counted = ~truth.isnan()
    true, guess = truth[counted].double().numpy(), prediction[counted].double().numpy()
    return {
        "rmse": sklearn.metrics.root_mean_squared_error(true, guess),
        "mae": sklearn.metrics.mean_absolute_error(true, guess),
        "bias": (guess - true).mean(),
        "r2": sklearn.metrics.r2_score(true, guess),
        "pearson": scipy.stats.pearsonr(true, guess).statistic,
        "expected_error": np.mean(np.abs(guess - true) <= expected_error[0] + expected_error[1] * np.abs(true)),
        "count": len(true),
    }


def scored(prediction, truth, **options):
    metrics = RegressionMetrics(**options)
    metrics.update(torch.as_tensor(prediction), torch.as_tensor(truth))
    return metrics.compute()


def assert_same(scores, expected, rtol):
    assert scores.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(scores[name], value, rtol=rtol, err_msg=name)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("expected_error", [(0.05, 0.15), (0.3, 0.0), (0.0, 1.0)])
def test_the_same_as_scikit_learn_and_scipy(kind, expected_error):
    prediction, truth = drawn(kind=kind)
    expected = reference(prediction, truth, expected_error)
    assert 0.1 < expected["expected_error"] < 0.95
    assert_same(scored(prediction, truth, expected_error=expected_error), expected, 1e-12)


def test_by_hand():
    """Errors 1, -1, 0, 2 around a truth of 1, 2, 3, 4, whose squared deviations add up to 5."""
    scores = scored([2.0, 1.0, 3.0, 6.0], [1.0, 2.0, 3.0, 4.0], expected_error=(0.5, 0.25))
    expected = {
        "rmse": math.sqrt(6 / 4), "mae": 1, "bias": 0.5, "r2": 1 - 6 / 5, "pearson": 7 / math.sqrt(5 * 14),
        "expected_error": 2 / 4,  # allowed are 0.75, 1, 1.25 and 1.5: exactly 1 is within
        "count": 4,
    }  # fmt: skip
    assert_same(scores, expected, 1e-15)


def test_a_pixel_without_truth_does_not_count_whatever_is_predicted():  # pitfall 21
    scores = scored([2.0, NAN, 1.0, INF, 1e30], [1.0, NAN, 2.0, NAN, NAN])
    assert_same(scores, scored([2.0, 1.0], [1.0, 2.0]), 0)
    assert scores["count"] == 2


@pytest.mark.parametrize(
    ("prediction", "truth", "broken"),
    [([NAN, 1, 2], [1, 2, 3], 1), ([INF, -INF, 2], [1, 2, NAN], 2), ([1, 2, 3], [1, INF, NAN], 1)],
)
def test_what_is_no_finite_number_is_told(prediction, truth, broken):
    with pytest.raises(DataError, match=rf"^{broken} of \d labelled pixels have an infinite label or a prediction"):
        scored(np.float32(prediction), np.float32(truth))


def test_without_a_pixel_no_score():  # pitfall 21
    nothing = RegressionMetrics()
    for shape in ((3, 4), (0,)):
        nothing.update(torch.ones(shape), torch.full(shape, NAN))
    scores = nothing.compute()
    assert scores.pop("count") == 0
    assert all(value.isnan() for value in scores.values())
    prediction, truth = drawn()
    nothing.update(prediction, truth)
    nothing.update(torch.ones(2), torch.full((2,), NAN))
    assert_same(nothing.compute(), reference(prediction, truth), 1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, -5.3, 1e6 / 3])
def test_a_truth_that_does_not_vary(value):
    metrics = RegressionMetrics()
    for number in range(20):
        prediction, truth = drawn(number)
        metrics.update(prediction, torch.where(truth.isnan(), truth, value))
    scores = metrics.compute()
    assert scores["r2"].isnan()
    assert scores["pearson"].isnan()
    assert scores["rmse"].isfinite()


def test_a_prediction_that_does_not_vary():
    scores = scored([0.1, 0.1, 0.1], [1.0, 2.0, 3.0])
    assert scores["pearson"].isnan()
    assert scores["r2"].item() == pytest.approx(1 - (0.81 + 3.61 + 8.41) / 2, rel=1e-6)  # 0.1 in float32


def test_one_pixel_has_errors_alone():
    scores = scored([3.0], [5.0], expected_error=None)
    assert {name: value.item() for name, value in scores.items() if not value.isnan()} == {
        "rmse": 2, "mae": 2, "bias": -2, "count": 1,
    }  # fmt: skip


def test_a_perfect_prediction_has_no_correlation_above_1():
    _, truth = drawn(absent=0)
    scores = scored(3 * truth.double(), truth.double())
    assert 1 - 1e-12 < scores["pearson"].item() <= 1
    assert scored(truth, truth)["r2"] == 1


@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_a_large_offset_costs_no_digits(offset):  # pitfall 23
    """Values near a million that differ by thousandths, whose spread is a billionth; compared after taking it off."""
    chips = [drawn(seed, offset=offset, spread=1e-3, kind=np.float64) for seed in range(30)]
    metrics = RegressionMetrics(expected_error=None)
    for prediction, truth in chips:
        metrics.update(prediction, truth)
    expected = reference(*(torch.cat([chip[part] for chip in chips]) - offset for part in (0, 1)))
    del expected["expected_error"]
    assert_same(metrics.compute(), expected, 1e-10)


def test_float32_values_far_from_zero():  # pitfall 23
    prediction, truth = drawn(offset=1e4, spread=1)
    scores = scored(prediction, truth, expected_error=None)
    expected = reference(prediction, truth)
    del expected["expected_error"]
    assert_same(scores, expected, 1e-9)


def test_sums_do_not_drift():  # pitfall 23
    """2000 chips of the same 1000 pixels: the scores of one; float32 sums would lose the third digit."""
    prediction, truth = drawn(shape=(1000,), offset=100)
    metrics = RegressionMetrics()
    for _ in range(2000):
        metrics.update(prediction, truth)
    expected = reference(prediction, truth)
    assert_same(metrics.compute(), {**expected, "count": 2000 * expected["count"]}, 1e-10)


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=6), st.sampled_from([0.0, 100.0, -1e6]),
    st.sampled_from([1.0, 1e-3, 1e5]), st.sampled_from([0.0, 0.3, 0.95, 1.0]), st.randoms(use_true_random=False),
    st.integers(0, 99),
)  # fmt: skip
def test_parts_in_any_order_give_the_scores_of_the_whole(widths, offset, spread, absent, order, seed):  # pitfall 23
    prediction, truth = drawn(seed, (sum(widths),), offset=offset, spread=spread, kind=np.float64, absent=absent)
    whole = ErrorSums.of(ValuePairs.of(prediction, truth), (0.05, 0.15))
    parts = [
        ErrorSums.of(ValuePairs.of(*part), (0.05, 0.15))
        for part in zip(prediction.split(widths), truth.split(widths), strict=True)
    ]
    order.shuffle(parts)
    parts = [ErrorSums.unpacked(part.packed()) for part in parts]
    middle = order.randint(0, len(parts))
    halves = (reduce(ErrorSums.merged, some, ErrorSums.none()) for some in (parts[:middle], parts[middle:]))
    found, expected = scores_from_sums(reduce(ErrorSums.merged, halves)), scores_from_sums(whole)
    assert found["count"] == expected["count"]
    for name, value in expected.items():
        # of a single pixel or two, deviations are known no better than the values themselves
        np.testing.assert_allclose(found[name], value, rtol=1e-12, atol=1e-12 * (spread if name == "bias" else 1))


def add_share(rank, folder, chips):
    """What each of two processes does: add up its share of the chips, and leave the scores of all."""
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    metrics = RegressionMetrics(density=DensityRange(-1, 5, 20))
    for prediction, truth in chips[rank]:
        metrics.update(prediction, truth)
    scores = metrics.compute()
    assert all(torch.equal(scores[name], again) for name, again in metrics.compute().items())
    density = metrics.compute_density()
    torch.save(
        {**scores, "counts": torch.from_numpy(density.counts), "outside": density.outside}, folder / f"{rank}.pt"
    )
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("split", [3, 5])  # at 5 the second process has no chip
def test_two_processes_give_the_scores_of_one(tmp_path, split):  # pitfall 23
    chips = [drawn(seed, offset=100.0 * seed) for seed in range(5)]
    torch.multiprocessing.spawn(add_share, (tmp_path, (chips[:split], chips[split:])), nprocs=2)
    alone = RegressionMetrics(density=DensityRange(-1, 5, 20))
    for prediction, truth in chips:
        alone.update(prediction, truth)
    density = alone.compute_density()
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for scores in (first, second):
        assert (scores.pop("counts").numpy() == density.counts).all()
        assert scores.pop("outside") == density.outside > 0
        assert_same(scores, alone.compute(), 1e-12)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_without_sync_a_process_scores_what_it_saw(tmp_path, monkeypatch):
    def twice(every, own):
        for place in every:
            place.copy_(own)

    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_gather", twice)  # as if another saw the same
    torch.distributed.init_process_group("gloo", f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        for sync, expected in ((True, 6), (False, 3)):
            assert scored([1.0, 2.0, 3.0], [1.0, 3.0, 3.0], sync=sync)["count"] == expected
    finally:
        torch.distributed.destroy_process_group()


def test_half_precision_scores_as_its_values_do():
    prediction, truth = drawn()
    rough = prediction.bfloat16()
    assert_same(scored(rough, truth), scored(rough.float(), truth), 0)


def test_reset_forgets():
    metrics = RegressionMetrics(density=DensityRange(0, 1))
    metrics.update(*drawn())
    metrics.reset()
    assert metrics.compute()["count"] == 0
    assert metrics.compute_density().counts.sum() == 0


def test_inputs_stay_as_they_are():
    prediction, truth = drawn(kind=np.float64)
    before = prediction.clone(), truth.clone()
    scored(prediction, truth, density=DensityRange(0, 1))
    assert torch.equal(prediction, before[0])
    assert torch.equal(truth.nan_to_num(-1), before[1].nan_to_num(-1))


def test_shapes_and_coefficients_are_checked():
    with pytest.raises(ValueError, match=r"prediction \(1, 3\) and truth \(3,\) differ in shape"):
        scored(torch.ones(1, 3), torch.ones(3))
    with pytest.raises(ValueError, match="0 or more"):
        RegressionMetrics(expected_error=(-0.1, 0.15))


def test_a_summary_is_json_without_nan():
    content = summarize_scores(scored([2.0, 2.0], [1.0, 1.0]))
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content == {
        "rmse": 1, "mae": 1, "bias": 1, "r2": None, "pearson": None, "expected_error": 0, "count": 2,
    }  # fmt: skip
