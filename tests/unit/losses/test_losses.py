"""Every loss equals the result of SciPy, scikit-learn or NumPy from its definition, to 1e-6."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import huber, log_softmax, softmax
from scipy.stats import norm
from sklearn.metrics import (
    f1_score,
    jaccard_score,
    log_loss,
    mean_absolute_error,
    mean_pinball_loss,
    mean_squared_error,
)

from instageo.model.losses.reduction import present_class_weights
from tests.losses import CLASSES, draw, make

WEIGHTS = [0.5, 1.0, 3.0]
EXACT = {"rel": 1e-6, "abs": 1e-7}


def flat(outputs, label):
    """Outputs (N, C) in double precision and labels (N,) as NumPy arrays."""
    return outputs.movedim(1, -1).flatten(0, -2).double().numpy(), label.flatten().numpy()


def by_class(logits, label, index, weights):
    """Weighted mean over the labelled classes of one minus an index of true and false positives and false negatives."""
    probabilities = softmax(logits, axis=1)
    losses, shares = [], []
    for number in np.unique(label):
        truth, probability = label == number, probabilities[:, number]
        losses.append(1 - index(probability[truth].sum(), probability[~truth].sum(), (1 - probability[truth]).sum()))
        shares.append(weights[number])
    return np.average(losses, weights=shares)


def error_of(wrong, truth):
    """One minus the IoU of a class whose pixels `wrong` are predicted wrongly."""
    return 1 - (truth & ~wrong).sum() / (truth | wrong).sum()


def lovasz(errors, truth):
    """The Lovász extension, as an integral over levels of the error of the pixels above each level."""
    levels = np.unique(errors)
    steps = np.diff(levels, prepend=0)
    return sum(step * error_of(errors >= level, truth) for level, step in zip(levels, steps, strict=True) if step)


REFERENCES = {
    "dice": lambda tp, fp, fn: 2 * tp / (2 * tp + fp + fn),
    "jaccard": lambda tp, fp, fn: tp / (tp + fp + fn),
    "tversky": lambda tp, fp, fn: tp / (tp + 0.3 * fp + 0.7 * fn),
}


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("size", [(2, 4, 5), (3, 90, 70)])  # kornia has another implementation for large images
def test_overlap_by_counting(name, weights, size):
    outputs, label = draw(name, size=size)
    expected = by_class(*flat(outputs, label), REFERENCES[name], weights or [1] * CLASSES)
    assert make(name, weights=weights)(outputs, label).item() == pytest.approx(expected, **EXACT)


def test_overlap_by_hand():
    """Probabilities 3/4 and 1/4 in both pixels, one pixel per class: P and T is 3/4 and 1/4, P is 3/2 and 1/2."""
    outputs = torch.tensor([math.log(3), 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    label = torch.tensor([[[0, 1]]])
    dice = 1 - (2 * 0.75 / 2.5 + 2 * 0.25 / 1.5) / 2
    jaccard = 1 - (0.75 / 1.75 + 0.25 / 1.25) / 2
    assert make("dice", classes=2)(outputs, label).item() == pytest.approx(dice)
    assert make("jaccard", classes=2)(outputs, label).item() == pytest.approx(jaccard)
    assert make({"tversky": {"alpha": 0.5, "beta": 0.5}}, classes=2)(outputs, label).item() == pytest.approx(dice)


@pytest.mark.parametrize("name", ["dice", "jaccard", "lovasz"])
def test_overlap_of_certain_predictions_is_that_of_scikit_learn(name):
    outputs, label = draw(name, seed=3)
    predicted = outputs.argmax(1)
    certain = 200.0 * torch.nn.functional.one_hot(predicted, CLASSES).movedim(-1, 1)
    score = f1_score if name == "dice" else jaccard_score
    expected = 1 - score(label.flatten(), predicted.flatten(), average="macro")
    assert make(name)(certain, label).item() == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("size", [(2, 4, 5), (2, 30, 20)])
def test_lovasz_is_the_extension_of_the_error(weights, size):
    outputs, label = draw("lovasz", size=size)
    logits, truth = flat(outputs, label)
    errors = np.abs(softmax(logits, axis=1) - np.eye(CLASSES)[truth])
    expected = np.average(
        [lovasz(errors[:, number], truth == number) for number in range(CLASSES)], weights=weights or [1] * CLASSES
    )
    assert make("lovasz", weights=weights)(outputs, label).item() == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("seed", range(5))
def test_lovasz_is_the_largest_sum_over_all_orders(seed):
    """The error is submodular, so no order of the pixels gives a larger sum than the sorted one."""
    outputs, label = draw("lovasz", seed=seed, size=(1, 1, 5))
    logits, truth = flat(outputs, label)
    errors, largest = np.abs(softmax(logits, axis=1) - np.eye(CLASSES)[truth]), []
    for number in np.unique(truth):
        sums = []
        for order in itertools.permutations(range(5)):
            gains = np.diff([error_of(np.isin(np.arange(5), order[:n]), truth == number) for n in range(6)])
            sums.append(errors[list(order), number] @ gains)
        largest.append(max(sums))
    assert make("lovasz")(outputs, label).item() == pytest.approx(np.mean(largest), **EXACT)


@pytest.mark.parametrize("name", ["dice", "jaccard", "lovasz"])
def test_a_class_without_labels_is_left_out_of_the_mean(name):
    """A third class that is neither labelled nor predicted does not change the loss of the first two."""
    outputs, label = draw(name)
    outputs[:, 2] = -200
    label = label.clamp_max(1)
    assert present_class_weights(label, CLASSES, None, -1).tolist() == [1, 1, 0]
    expected = make(name, classes=2)(outputs[:, :2], label).item()
    assert make(name)(outputs, label).item() == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("gamma", [0, 0.5, 2])
@pytest.mark.parametrize("size", [(2, 4, 5), (3, 250, 250)])  # kornia has another implementation for large images
def test_focal_by_its_formula(gamma, weights, size):
    outputs, label = draw("focal", size=size)
    logits, truth = flat(outputs, label)
    logs = np.take_along_axis(log_softmax(logits, axis=1), truth[:, None], 1)[:, 0]
    expected = np.average(-((1 - np.exp(logs)) ** gamma) * logs, weights=np.array(weights or [1] * CLASSES)[truth])
    value = make({"focal": {"gamma": gamma}}, weights=weights)(outputs, label).item()
    assert value == pytest.approx(expected, **EXACT)
    if gamma == 0:
        assert value == pytest.approx(make("cross_entropy", weights=weights)(outputs, label).item(), **EXACT)


def test_cross_entropy_is_that_of_scikit_learn():
    outputs, label = draw("cross_entropy")
    logits, truth = flat(outputs, label)
    probabilities = softmax(logits, axis=1)
    assert make("cross_entropy")(outputs, label).item() == pytest.approx(log_loss(truth, probabilities), **EXACT)
    expected = log_loss(truth, probabilities, sample_weight=np.array(WEIGHTS)[truth])
    assert make("cross_entropy", weights=WEIGHTS)(outputs, label).item() == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_label_smoothing_equals_that_of_pytorch(weights):
    outputs, label = draw("cross_entropy")
    label[0, 0] = -1
    outputs.requires_grad_()
    loss = make("cross_entropy", weights=weights, smoothing=0.2)
    class_weights = None if weights is None else torch.tensor(weights)
    reference = torch.nn.CrossEntropyLoss(class_weights, ignore_index=-1, label_smoothing=0.2)
    assert loss(outputs, label).item() == pytest.approx(reference(outputs, label).item(), **EXACT)
    [actual], [expected] = (torch.autograd.grad(each(outputs, label), outputs) for each in (loss, reference))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-8)


def test_label_smoothing_by_hand():
    """Probabilities 3/4 and 1/4, smoothed by 0.2: 0.9 of the target is the label's class, 0.1 the other."""
    outputs = torch.tensor([math.log(3), 0.0]).view(1, 2, 1, 1)
    value = make("cross_entropy", smoothing=0.2, classes=2)(outputs, torch.zeros(1, 1, 1, dtype=torch.long))
    assert value.item() == pytest.approx(-0.9 * math.log(0.75) - 0.1 * math.log(0.25))


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("size", [(6, 1, 1), (2, 4, 5)])
def test_binary_losses_by_their_formula(weights, size):
    outputs, label = draw("binary_focal", size=size)
    logits, truth = outputs.flatten().double().numpy(), label.flatten().numpy()
    probability = 1 / (1 + np.exp(np.where(truth, -logits, logits)))
    share = torch.tensor(weights or [1.0] * CLASSES).view(1, -1, 1, 1).expand(outputs.shape).flatten().numpy()
    plain = log_loss(truth, 1 / (1 + np.exp(-logits)), sample_weight=share)
    assert make("binary_cross_entropy", weights=weights)(outputs, label).item() == pytest.approx(plain, **EXACT)
    expected = np.average(-((1 - probability) ** 2) * np.log(probability), weights=share)
    assert make("binary_focal", weights=weights)(outputs, label).item() == pytest.approx(expected, **EXACT)


def pinball(quantiles):
    return lambda outputs, values: np.mean(
        [mean_pinball_loss(values, outputs[:, n], alpha=share) for n, share in enumerate(quantiles)]
    )


def negative_log_likelihood(outputs, values):
    return -norm.logpdf(values, outputs[:, 0], np.exp(outputs[:, 1] / 2)).mean()


REGRESSION = [
    ("mse", lambda outputs, values: mean_squared_error(values, outputs[:, 0])),
    ("mae", lambda outputs, values: mean_absolute_error(values, outputs[:, 0])),
    ("huber", lambda outputs, values: huber(1, values - outputs[:, 0]).mean()),
    ({"huber": {"delta": 0.3}}, lambda outputs, values: huber(0.3, values - outputs[:, 0]).mean()),
    ("quantile", pinball([0.05, 0.5, 0.95])),
    ({"quantile": {"quantiles": [0.1, 0.25, 0.5, 0.9]}}, pinball([0.1, 0.25, 0.5, 0.9])),
    ("gaussian_nll", negative_log_likelihood),
]


@pytest.mark.parametrize(("value", "reference"), REGRESSION)
def test_regression_losses_by_scikit_learn_and_scipy(value, reference):
    outputs, label = draw(value)
    assert make(value)(outputs, label).item() == pytest.approx(reference(*flat(outputs, label)), **EXACT)


def test_quantiles_by_hand():
    """A value of 1 above an output of 0 costs q, a value of 1 below it costs 1 - q."""
    loss = make({"quantile": {"quantiles": [0.1, 0.5]}})
    outputs = torch.tensor([0.0, 0.0]).view(1, 2, 1, 1)
    assert loss(outputs, torch.tensor([[[1.0]]])).item() == pytest.approx((0.1 + 0.5) / 2)
    assert loss(outputs, torch.tensor([[[-1.0]]])).item() == pytest.approx((0.9 + 0.5) / 2)


def test_a_variance_below_the_limit_counts_as_the_limit_but_has_a_gradient():
    """With a log variance of -100 the variance counts as 1e-6; the gradient at an error of 1 is (1 - 1e6) / 2."""
    outputs = torch.tensor([0.0, -100.0]).view(1, 2, 1, 1).requires_grad_()
    value = make("gaussian_nll")(outputs, torch.tensor([[[1.0]]]))
    assert value.item() == pytest.approx(-norm.logpdf(1, 0, 1e-3))
    value.backward()
    assert outputs.grad[0, 1].item() == pytest.approx((1 - 1e6) / 2)
