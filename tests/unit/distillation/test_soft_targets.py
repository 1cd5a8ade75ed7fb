"""Distances between outputs of student and teacher, against NumPy."""

import math

import numpy as np
import pytest
import torch

from instageo.model.distillation.soft_targets import soft_class_loss, soft_multilabel_loss, soft_regression_loss


def softmax(logits):
    """Return probabilities of classes, over dimension 1."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


@pytest.fixture
def outputs():
    """Return logits of student and teacher, (2, 3, 4, 5), and observed pixels."""
    rng = np.random.default_rng(0)
    student, teacher = rng.normal(size=(2, 2, 3, 4, 5)).astype(np.float32) * 3
    return student, teacher, rng.random((2, 4, 5)) < 0.7


def loss(function, student, teacher, observed, **options):
    """Compute a loss of arrays."""
    return function(*map(torch.from_numpy, (student, teacher, observed)), **options)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_class_divergence_by_hand(outputs, temperature):  # pitfall 29
    student, teacher, observed = outputs
    p, q = softmax(teacher / temperature), softmax(student / temperature)
    divergence = (p * np.log(p / q)).sum(axis=1)[observed].mean()
    actual = loss(soft_class_loss, student, teacher, observed, temperature=temperature)
    assert float(actual) == pytest.approx(temperature**2 * divergence, rel=1e-5, abs=1e-6)


def test_two_classes_by_hand():
    student = np.zeros((1, 2, 1, 1), np.float32)  # one half each
    teacher = np.log(np.array([3, 1], np.float32)).reshape(1, 2, 1, 1)  # 3/4 and 1/4
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    actual = loss(soft_class_loss, student, teacher, np.ones((1, 1, 1), bool), temperature=1.0)
    assert float(actual) == pytest.approx(expected, abs=1e-6)


def test_gradients_do_not_depend_on_the_temperature(outputs):
    """At high temperatures the gradient becomes that of the mean squared logits, whatever the temperature."""
    student, teacher, observed = outputs
    gradients = []
    for temperature in (100.0, 1000.0):
        leaf = torch.from_numpy(student).double().requires_grad_()
        target = torch.from_numpy(teacher).double()
        soft_class_loss(leaf, target, torch.from_numpy(observed), temperature=temperature).backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0.1, atol=1e-3)
    difference = (student - student.mean(1, keepdims=True)) - (teacher - teacher.mean(1, keepdims=True))
    expected = difference * observed[:, None] / observed.sum() / 3  # of the 3 classes, 1/K
    torch.testing.assert_close(gradients[1], torch.from_numpy(expected).double(), rtol=0.02, atol=1e-3)


def test_multilabel_divergence_by_hand(outputs):
    student, teacher, observed = outputs
    p, q = 1 / (1 + np.exp(-teacher / 2)), 1 / (1 + np.exp(-student / 2))
    divergence = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    actual = loss(soft_multilabel_loss, student, teacher, observed, temperature=2.0)
    assert float(actual) == pytest.approx(4 * divergence.mean(axis=1)[observed].mean(), rel=1e-5)


def test_regression_outputs_are_compared_in_the_scale_of_the_student(outputs):  # pitfall 29
    """The teacher predicts logarithms already; its output is not transformed a second time."""
    student, teacher, observed = outputs
    natural = np.exp(teacher)  # the teacher's scale: log
    scaled = (natural - 2) / 5  # the student's scale: standardised
    scales = {"to_natural": torch.exp, "from_natural": lambda values: (values - 2) / 5}
    expected = ((student - scaled) ** 2).mean(axis=1)[observed].mean()
    assert float(loss(soft_regression_loss, student, teacher, observed, **scales)) == pytest.approx(expected, rel=1e-5)
    apart = np.abs(student - scaled)
    smooth = np.where(apart < 1, apart**2 / 2, apart - 0.5).mean(axis=1)[observed].mean()
    actual = loss(soft_regression_loss, student, teacher, observed, **scales, smooth=True)
    assert float(actual) == pytest.approx(smooth, rel=1e-5)


def test_values_outside_the_scale_of_the_student_do_not_count():
    teacher = np.array([-1, math.e], np.float32).reshape(1, 1, 1, 2)
    leaf = torch.zeros(1, 1, 1, 2, requires_grad=True)
    observed = torch.ones(1, 1, 2, dtype=torch.bool)
    actual = soft_regression_loss(
        leaf, torch.from_numpy(teacher), observed, to_natural=lambda values: values, from_natural=torch.log
    )
    actual.backward()
    assert actual.item() == pytest.approx(1)  # (0 - log e)^2; the logarithm of -1 is left out
    assert leaf.grad.flatten().tolist() == pytest.approx([0, -2])


LOSSES = {
    soft_class_loss: {"temperature": 2.0},
    soft_multilabel_loss: {"temperature": 2.0},
    soft_regression_loss: {"to_natural": torch.exp, "from_natural": torch.log},
}


@pytest.mark.parametrize("loss_function", LOSSES)
def test_invalid_pixels_never_count(loss_function, outputs):  # pitfalls 9, 21
    student, teacher, observed = outputs
    before = float(loss(loss_function, student, teacher, observed, **LOSSES[loss_function]))
    hidden = np.where(observed[:, None], teacher, np.float32(50))
    assert float(loss(loss_function, student, hidden, observed, **LOSSES[loss_function])) == before > 0
    leaf = torch.from_numpy(student).requires_grad_()
    nothing = loss_function(
        leaf, torch.from_numpy(teacher), torch.zeros(2, 4, 5, dtype=torch.bool), **LOSSES[loss_function]
    )
    nothing.backward()
    assert nothing.item() == 0
    assert not leaf.grad.any()


@pytest.mark.parametrize("loss_function", [soft_class_loss, soft_multilabel_loss])
def test_extreme_logits_give_finite_losses(loss_function):
    extreme = torch.tensor([300.0, -300.0]).reshape(1, 2, 1, 1)
    student = (-extreme).requires_grad_()
    actual = loss_function(student, extreme, torch.ones(1, 1, 1, dtype=torch.bool), temperature=1.0)
    actual.backward()
    assert float(actual.detach()) == pytest.approx(600 if loss_function is soft_class_loss else 300)
    assert student.grad.isfinite().all()
