"""Regression scores agree with scikit-learn and SciPy, in batches, in two processes and far from zero."""

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
from tests.forked_calls import run_in_two

NAN, INF = math.nan, math.inf


def random_pairs(seed=0, shape=(2, 40, 50), *, offset=0.0, spread=1.0, dtype=np.float32, absent=0.2):
    """Return predictions and heavy-tailed truth, of which a fifth is NaN."""
    source = np.random.default_rng(seed)
    truth = source.gamma(1.5, 1, shape)
    prediction = 0.8 * truth + 0.3 * source.standard_normal(shape)
    truth[source.random(shape) < absent] = NAN
    return tuple(torch.from_numpy((offset + spread * values).astype(dtype)) for values in (prediction, truth))


def reference(prediction, truth, expected_error=(0.05, 0.15)):
    """Compute the same scores with other libraries, from the pixels with a truth."""
    counted = ~truth.isnan()
    true, predicted = truth[counted].double().numpy(), prediction[counted].double().numpy()
    return {
        "rmse": sklearn.metrics.root_mean_squared_error(true, predicted),
        "mae": sklearn.metrics.mean_absolute_error(true, predicted),
        "bias": (predicted - true).mean(),
        "r2": sklearn.metrics.r2_score(true, predicted),
        "pearson": scipy.stats.pearsonr(true, predicted).statistic,
        "expected_error": np.mean(np.abs(predicted - true) <= expected_error[0] + expected_error[1] * np.abs(true)),
        "count": len(true),
    }


def compute_scores(prediction, truth, **options):
    metrics = RegressionMetrics(**options)
    metrics.update(torch.as_tensor(prediction), torch.as_tensor(truth))
    return metrics.compute()


def assert_same(scores, expected, rtol):
    assert scores.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(scores[name], value, rtol=rtol, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("expected_error", [(0.05, 0.15), (0.3, 0.0), (0.0, 1.0)])
def test_scores_equal_those_of_scikit_learn_and_scipy(dtype, expected_error):
    prediction, truth = random_pairs(dtype=dtype)
    expected = reference(prediction, truth, expected_error)
    assert 0.1 < expected["expected_error"] < 0.95
    assert_same(compute_scores(prediction, truth, expected_error=expected_error), expected, 1e-12)


def test_scores_by_hand():
    """Errors 1, -1, 0, 2 around a truth of 1, 2, 3, 4, whose squared deviations add up to 5."""
    scores = compute_scores([2.0, 1.0, 3.0, 6.0], [1.0, 2.0, 3.0, 4.0], expected_error=(0.5, 0.25))
    expected = {
        "rmse": math.sqrt(6 / 4), "mae": 1, "bias": 0.5, "r2": 1 - 6 / 5, "pearson": 7 / math.sqrt(5 * 14),
        "expected_error": 2 / 4,  # allowed are 0.75, 1, 1.25 and 1.5: exactly 1 is within
        "count": 4,
    }  # fmt: skip
    assert_same(scores, expected, 1e-15)


def test_a_pixel_without_truth_does_not_count_whatever_is_predicted():  # pitfall 21
    scores = compute_scores([2.0, NAN, 1.0, INF, 1e30], [1.0, NAN, 2.0, NAN, NAN])
    assert_same(scores, compute_scores([2.0, 1.0], [1.0, 2.0]), 0)
    assert scores["count"] == 2


@pytest.mark.parametrize(
    ("prediction", "truth", "num_nonfinite"),
    [([NAN, 1, 2], [1, 2, 3], 1), ([INF, -INF, 2], [1, 2, NAN], 2), ([1, 2, 3], [1, INF, NAN], 1)],
)
def test_non_finite_values_are_an_error(prediction, truth, num_nonfinite):
    with pytest.raises(
        DataError, match=rf"^{num_nonfinite} of \d labelled pixels have an infinite label or a prediction"
    ):
        compute_scores(np.float32(prediction), np.float32(truth))


def test_without_pixels_scores_are_nan():  # pitfall 21
    metrics = RegressionMetrics()
    for shape in ((3, 4), (0,)):
        metrics.update(torch.ones(shape), torch.full(shape, NAN))
    scores = metrics.compute()
    assert scores.pop("count") == 0
    assert all(value.isnan() for value in scores.values())
    prediction, truth = random_pairs()
    metrics.update(prediction, truth)
    metrics.update(torch.ones(2), torch.full((2,), NAN))
    assert_same(metrics.compute(), reference(prediction, truth), 1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, -5.3, 1e6 / 3])
def test_a_constant_truth(value):
    metrics = RegressionMetrics()
    for number in range(20):
        prediction, truth = random_pairs(number)
        metrics.update(prediction, torch.where(truth.isnan(), truth, value))
    scores = metrics.compute()
    assert scores["r2"].isnan()
    assert scores["pearson"].isnan()
    assert scores["rmse"].isfinite()


def test_a_constant_prediction():
    scores = compute_scores([0.1, 0.1, 0.1], [1.0, 2.0, 3.0])
    assert scores["pearson"].isnan()
    assert scores["r2"].item() == pytest.approx(1 - (0.81 + 3.61 + 8.41) / 2, rel=1e-6)  # 0.1 in float32


def test_one_pixel_has_errors_only():
    scores = compute_scores([3.0], [5.0], expected_error=None)
    assert {name: value.item() for name, value in scores.items() if not value.isnan()} == {
        "rmse": 2, "mae": 2, "bias": -2, "count": 1,
    }  # fmt: skip


def test_a_perfect_prediction_has_no_correlation_above_1():
    _, truth = random_pairs(absent=0)
    scores = compute_scores(3 * truth.double(), truth.double())
    assert 1 - 1e-12 < scores["pearson"].item() <= 1
    assert compute_scores(truth, truth)["r2"] == 1


@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_a_large_offset_costs_no_digits(offset):  # pitfall 23
    """Values near a million that differ by thousandths, whose spread is a billionth; compared after taking it off."""
    chips = [random_pairs(seed, offset=offset, spread=1e-3, dtype=np.float64) for seed in range(30)]
    metrics = RegressionMetrics(expected_error=None)
    for prediction, truth in chips:
        metrics.update(prediction, truth)
    expected = reference(*(torch.cat([chip[part] for chip in chips]) - offset for part in (0, 1)))
    del expected["expected_error"]
    assert_same(metrics.compute(), expected, 1e-10)


def test_float32_values_far_from_zero():  # pitfall 23
    prediction, truth = random_pairs(offset=1e4, spread=1)
    scores = compute_scores(prediction, truth, expected_error=None)
    expected = reference(prediction, truth)
    del expected["expected_error"]
    assert_same(scores, expected, 1e-9)


@pytest.mark.slow
def test_sums_do_not_drift():  # pitfall 23
    """2000 chips of the same 1000 pixels: the scores of one; float32 sums would lose the third digit."""
    prediction, truth = random_pairs(shape=(1000,), offset=100)
    metrics = RegressionMetrics()
    for _ in range(2000):
        metrics.update(prediction, truth)
    expected = reference(prediction, truth)
    assert_same(metrics.compute(), {**expected, "count": 2000 * expected["count"]}, 1e-10)


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=6), st.sampled_from([0.0, 100.0, -1e6]),
    st.sampled_from([1.0, 1e-3, 1e5]), st.sampled_from([0.0, 0.3, 0.95, 1.0]), st.randoms(use_true_random=False),
    st.integers(0, 99),
)  # fmt: skip
def test_batches_in_any_order_give_the_scores_of_the_whole(widths, offset, spread, absent, order, seed):  # pitfall 23
    prediction, truth = random_pairs(
        seed, (sum(widths),), offset=offset, spread=spread, dtype=np.float64, absent=absent
    )
    whole = ErrorSums.from_pairs(ValuePairs.from_tensors(prediction, truth), (0.05, 0.15))
    parts = [
        ErrorSums.from_pairs(ValuePairs.from_tensors(*part), (0.05, 0.15))
        for part in zip(prediction.split(widths), truth.split(widths), strict=True)
    ]
    order.shuffle(parts)
    parts = [ErrorSums.from_tensor(part.to_tensor()) for part in parts]
    middle = order.randint(0, len(parts))
    halves = (reduce(ErrorSums.merge, some, ErrorSums.zeros()) for some in (parts[:middle], parts[middle:]))
    actual, expected = scores_from_sums(reduce(ErrorSums.merge, halves)), scores_from_sums(whole)
    assert actual["count"] == expected["count"]
    for name, value in expected.items():
        # for one pixel or two, deviations are as exact as the values themselves
        np.testing.assert_allclose(actual[name], value, rtol=1e-12, atol=1e-12 * (spread if name == "bias" else 1))


def add_share(rank, folder, chips):
    """Add up one process's share of the chips, and save the scores of all."""
    torch.distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    metrics = RegressionMetrics(density=DensityRange(-1, 5, 20))
    for prediction, truth in chips[rank]:
        metrics.update(prediction, truth)
    scores = metrics.compute()
    assert all(torch.equal(scores[name], again) for name, again in metrics.compute().items())
    density = metrics.compute_density()
    torch.save(
        {**scores, "counts": torch.from_numpy(density.counts), "outside": density.num_outside}, folder / f"{rank}.pt"
    )
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("split", [3, 5])  # at 5 the second process has no chip
def test_two_processes_give_the_scores_of_one(tmp_path, split):  # pitfall 23
    chips = [random_pairs(seed, offset=100.0 * seed) for seed in range(5)]
    run_in_two(tmp_path, add_share, tmp_path, (chips[:split], chips[split:]))
    alone = RegressionMetrics(density=DensityRange(-1, 5, 20))
    for prediction, truth in chips:
        alone.update(prediction, truth)
    density = alone.compute_density()
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for scores in (first, second):
        assert (scores.pop("counts").numpy() == density.counts).all()
        assert scores.pop("outside") == density.num_outside > 0
        assert_same(scores, alone.compute(), 1e-12)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_without_sync_a_process_scores_its_own_share(tmp_path, monkeypatch):
    def copy_to_all(gathered, own):
        for part in gathered:
            part.copy_(own)

    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_gather", copy_to_all)  # as if another process had the same
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda counts: counts.mul_(2))
    torch.distributed.init_process_group("gloo", f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        for sync, expected in ((True, 6), (False, 3)):
            metrics = RegressionMetrics(sync=sync, density=DensityRange(0, 4, 4))
            metrics.update(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 3.0, 3.0]))
            assert metrics.compute()["count"] == expected
            assert metrics.compute_density().counts.sum() == expected
    finally:
        torch.distributed.destroy_process_group()


def test_half_precision_scores_as_the_same_values_in_float32():
    prediction, truth = random_pairs()
    half = prediction.bfloat16()
    assert_same(compute_scores(half, truth), compute_scores(half.float(), truth), 0)


def test_reset_forgets():
    metrics = RegressionMetrics(density=DensityRange(0, 1))
    metrics.update(*random_pairs())
    metrics.reset()
    assert metrics.compute()["count"] == 0
    assert metrics.compute_density().counts.sum() == 0


def test_inputs_are_unchanged():
    prediction, truth = random_pairs(dtype=np.float64)
    before = prediction.clone(), truth.clone()
    compute_scores(prediction, truth, density=DensityRange(0, 1))
    assert torch.equal(prediction, before[0])
    assert torch.equal(truth.nan_to_num(-1), before[1].nan_to_num(-1))


def test_shapes_and_coefficients_are_checked():
    with pytest.raises(ValueError, match=r"prediction \(1, 3\) and truth \(3,\) differ in shape"):
        compute_scores(torch.ones(1, 3), torch.ones(3))
    with pytest.raises(ValueError, match="0 or more"):
        RegressionMetrics(expected_error=(-0.1, 0.15))


def test_a_summary_is_json_without_nan():
    content = summarize_scores(compute_scores([2.0, 2.0], [1.0, 1.0]))
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content == {
        "rmse": 1, "mae": 1, "bias": 1, "r2": None, "pearson": None, "expected_error": 0, "count": 2,
    }  # fmt: skip


def test_a_perfect_opposite_has_no_correlation_below_minus_1():
    """Rounding alone would give -1.0000000000000002 for some of these."""
    for seed in range(50):
        truth = torch.from_numpy(np.random.default_rng(seed).standard_normal(9))
        assert -1 <= compute_scores(-3 * truth, truth)["pearson"] < -1 + 1e-12


def test_sums_are_on_the_device_of_the_predictions():
    metrics = RegressionMetrics(device="meta", density=DensityRange(0, 1))
    assert {metrics.sums.mean.device.type, metrics._density._cells.device.type} == {"meta"}
    metrics.reset()
    assert {metrics.sums.mean.device.type, metrics._density._cells.device.type} == {"cpu"}
