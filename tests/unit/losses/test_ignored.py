"""Ignored labels change no loss and get no gradient; if all are ignored, the loss is 0; losses are float32."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from instageo.model.losses.factory import LossKind
from tests.losses import CASES, draw, ignore, kind_of, make

WEIGHTED = [0.5, 1.0, 3.0]


def drawn_mask(value, seed, share):
    """Outputs, labels, and a random mask of the labels to ignore."""
    outputs, label = draw(value, seed)
    return outputs, label, torch.rand(label.shape, generator=torch.Generator().manual_seed(seed)) < share


@pytest.mark.parametrize("value", CASES, ids=str)
@given(
    seed=st.integers(0, 10_000), share=st.floats(0, 0.95), weighted=st.booleans(), far=st.sampled_from([0, 1e4, -1e4])
)
def test_ignored_pixels_change_nothing(value, seed, share, weighted, far):  # pitfall 21
    """The loss is that of the other pixels, whatever the network predicts for the ignored ones."""
    outputs, label, ignored = drawn_mask(value, seed, share)
    multilabel = kind_of(value) is LossKind.multilabel
    ignored = ignored.any(1, keepdim=True).expand(ignored.shape) if multilabel else ignored  # whole pixels
    pixels = ignored[:, 0] if multilabel else ignored
    if pixels.all():
        return
    loss = make(value, weights=WEIGHTED if weighted else None)
    masked = outputs.masked_fill(pixels[:, None], far).requires_grad_()
    counted = outputs.movedim(1, 0)[:, ~pixels][None, :, None]
    counted_label = label.movedim(1, 0)[:, ~pixels][None, :, None] if multilabel else label[~pixels][None, None]
    total = loss(masked, ignore(value, label, ignored))
    assert total.item() == pytest.approx(loss(counted, counted_label).item(), rel=1e-5, abs=1e-7)
    total.backward()
    assert not masked.grad.movedim(1, 0)[:, pixels].any()
    assert masked.grad.isfinite().all()


@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_focal"])
def test_single_labels_of_a_chip_may_be_ignored(name):
    """Two chips with three labels each: with one label of the first chip ignored, five count."""
    outputs, label = draw(name, size=(2, 1, 1))
    one = make(name)
    each = [one(outputs[b : b + 1, k : k + 1], label[b : b + 1, k : k + 1]) for b in range(2) for k in range(3)]
    label[0, 1] = -1
    assert one(outputs, label).item() == pytest.approx((sum(each) - each[1]).item() / 5, rel=1e-6)


@pytest.mark.parametrize("weights", [None, WEIGHTED])
@pytest.mark.parametrize("value", CASES, ids=str)
def test_without_labels_loss_and_gradient_are_0(value, weights):  # pitfall 21
    outputs, label = draw(value)
    outputs.requires_grad_()
    loss = make(value, weights=weights)(outputs, ignore(value, label, torch.ones_like(label, dtype=torch.bool)))
    loss.backward()
    assert loss.item() == 0
    assert outputs.grad.shape == outputs.shape
    assert not outputs.grad.any()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", ["cross_entropy", "focal", "dice", "jaccard", "tversky", "lovasz"])
def test_with_classes_of_weight_0_only_loss_and_gradient_are_0(name, smoothing):  # pitfall 21
    outputs, label = draw(name)
    outputs.requires_grad_()
    smoothing = smoothing if name == "cross_entropy" else 0.0
    loss = make(name, weights=[0.0, 1.0, 1.0], smoothing=smoothing)(outputs, label * 0)
    loss.backward()
    assert loss.item() == 0
    assert not outputs.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", CASES, ids=str)
def test_half_precision_outputs_are_computed_in_float32(value, dtype):
    outputs, label = draw(value)
    outputs = outputs.to(dtype)
    loss = make(value)
    result = loss(outputs, label)
    assert result.dtype == torch.float32
    assert result.item() == loss(outputs.float(), label).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(outputs, label).item() == pytest.approx(result.item(), rel=1e-6)


@pytest.mark.parametrize("value", CASES, ids=str)
def test_the_sum_of_a_large_batch_stays_exact(value):
    """The same 40 pixels repeated 2000 times have the same loss."""
    outputs, label = draw(value)
    once = make(value)(outputs, label).item()
    many = make(value)(outputs.repeat(1, 1, 50, 40), label.repeat(*[1] * (label.ndim - 2), 50, 40)).item()
    assert many == pytest.approx(once, rel=2e-6)


@pytest.mark.parametrize("weights", [None, WEIGHTED])
@pytest.mark.parametrize("value", CASES, ids=str)
def test_losses_are_not_in_checkpoints(value, weights):  # pitfall 30
    assert make(value, weights=weights).state_dict() == {}


@pytest.mark.parametrize("value", CASES, ids=str)
def test_gradients_are_those_of_finite_differences(value):
    outputs, label, ignored = drawn_mask(value, 1, 0.3)
    outputs.requires_grad_()
    loss, label = make(value), ignore(value, label, ignored)
    loss(outputs, label).backward()
    direction = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(2))
    step = 1e-2
    with torch.no_grad():
        ahead, behind = (loss(outputs + sign * step * direction, label).item() for sign in (1, -1))
    slope = (outputs.grad * direction).sum().item()
    assert slope == pytest.approx((ahead - behind) / (2 * step), rel=2e-2, abs=2e-3)
