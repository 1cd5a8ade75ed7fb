"""What does not count changes no loss and gets no gradient; where nothing counts, the loss is 0; all are float32."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from instageo.model.losses.build import LossKind
from tests.losses import CASES, draw, ignore, kind_of, make

WEIGHTED = [0.5, 1.0, 3.0]


def drawn_mask(value, seed, share):
    """Where labels are ignored, of their shape."""
    outputs, label = draw(value, seed)
    return outputs, label, torch.rand(label.shape, generator=torch.Generator().manual_seed(seed)) < share


@pytest.mark.parametrize("value", CASES, ids=str)
@given(
    seed=st.integers(0, 10_000), share=st.floats(0, 0.95), weighted=st.booleans(), far=st.sampled_from([0, 1e4, -1e4])
)
def test_ignored_pixels_change_nothing(value, seed, share, weighted, far):  # pitfall 21
    """The loss is that of the other pixels alone, whatever the network says of the ignored ones."""
    outputs, label, gone = drawn_mask(value, seed, share)
    several = kind_of(value) is LossKind.multilabel
    gone = gone.any(1, keepdim=True).expand(gone.shape) if several else gone  # so that the rest is an image again
    pixels = gone[:, 0] if several else gone
    if pixels.all():
        return
    loss = make(value, weights=WEIGHTED if weighted else None)
    shown = outputs.masked_fill(pixels[:, None], far).requires_grad_()
    kept = outputs.movedim(1, 0)[:, ~pixels][None, :, None]
    alone = label.movedim(1, 0)[:, ~pixels][None, :, None] if several else label[~pixels][None, None]
    whole = loss(shown, ignore(value, label, gone))
    assert whole.item() == pytest.approx(loss(kept, alone).item(), rel=1e-5, abs=1e-7)
    whole.backward()
    assert not shown.grad.movedim(1, 0)[:, pixels].any()
    assert shown.grad.isfinite().all()


@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_focal"])
def test_single_answers_may_be_ignored(name):
    """Two chips, three questions: with one answer of the first chip gone, five count."""
    outputs, label = draw(name, size=(2, 1, 1))
    one = make(name)
    each = [one(outputs[b : b + 1, k : k + 1], label[b : b + 1, k : k + 1]) for b in range(2) for k in range(3)]
    label[0, 1] = -1
    assert one(outputs, label).item() == pytest.approx((sum(each) - each[1]).item() / 5, rel=1e-6)


@pytest.mark.parametrize("weights", [None, WEIGHTED])
@pytest.mark.parametrize("value", CASES, ids=str)
def test_nothing_labelled_is_0_with_no_gradient(value, weights):  # pitfall 21
    outputs, label = draw(value)
    outputs.requires_grad_()
    loss = make(value, weights=weights)(outputs, ignore(value, label, torch.ones_like(label, dtype=torch.bool)))
    loss.backward()
    assert loss.item() == 0
    assert outputs.grad.shape == outputs.shape
    assert not outputs.grad.any()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", ["cross_entropy", "focal", "dice", "jaccard", "tversky", "lovasz"])
def test_only_weightless_classes_are_0_with_no_gradient(name, smoothing):  # pitfall 21
    outputs, label = draw(name)
    outputs.requires_grad_()
    smoothing = smoothing if name == "cross_entropy" else 0.0
    loss = make(name, weights=[0.0, 1.0, 1.0], smoothing=smoothing)(outputs, label * 0)
    loss.backward()
    assert loss.item() == 0
    assert not outputs.grad.any()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", CASES, ids=str)
def test_half_precision_is_computed_in_full(value, kind):
    outputs, label = draw(value)
    outputs = outputs.to(kind)
    loss = make(value)
    found = loss(outputs, label)
    assert found.dtype == torch.float32
    assert found.item() == loss(outputs.float(), label).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(outputs, label).item() == pytest.approx(found.item(), rel=1e-6)


@pytest.mark.parametrize("value", CASES, ids=str)
def test_the_sum_of_a_large_batch_stays_exact(value):
    """The same 40 pixels 2000 times over have the loss of once."""
    outputs, label = draw(value)
    once = make(value)(outputs, label).item()
    many = make(value)(outputs.repeat(1, 1, 50, 40), label.repeat(*[1] * (label.ndim - 2), 50, 40)).item()
    assert many == pytest.approx(once, rel=2e-6)


@pytest.mark.parametrize("weights", [None, WEIGHTED])
@pytest.mark.parametrize("value", CASES, ids=str)
def test_nothing_of_a_loss_is_in_a_checkpoint(value, weights):  # pitfall 30
    assert make(value, weights=weights).state_dict() == {}


@pytest.mark.parametrize("value", CASES, ids=str)
def test_gradients_are_those_of_finite_differences(value):
    outputs, label, gone = drawn_mask(value, 1, 0.3)
    outputs.requires_grad_()
    loss, label = make(value), ignore(value, label, gone)
    loss(outputs, label).backward()
    direction = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(2))
    step = 1e-2
    with torch.no_grad():
        ahead, behind = (loss(outputs + sign * step * direction, label).item() for sign in (1, -1))
    slope = (outputs.grad * direction).sum().item()
    assert slope == pytest.approx((ahead - behind) / (2 * step), rel=2e-2, abs=2e-3)
