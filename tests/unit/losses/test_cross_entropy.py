"""The loss equals PyTorch's own, but is finite where no pixel has a label."""

import math

import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn import CrossEntropyLoss

from instageo.model.losses.cross_entropy import WeightedCrossEntropy

WEIGHTS = torch.tensor([0.5, 1.0, 3.0])


def drawn(ignore_index, share=0.3, classes=3):
    source = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 5, 7, generator=source, requires_grad=True)
    label = torch.randint(0, classes, (2, 5, 7), generator=source)
    return logits, label.masked_fill(torch.rand(label.shape, generator=source) < share, ignore_index)


def test_by_hand():
    """Equal logits of 2 classes: log 2 whatever the weights. Logits (log 3, 0): p = 3/4, 1/4."""
    label = torch.tensor([[[0, 1, -1]]])
    loss = WeightedCrossEntropy(torch.tensor([1.0, 3.0]), -1)
    assert loss(torch.zeros(1, 2, 1, 3), label).item() == pytest.approx(math.log(2))
    logits = torch.tensor([math.log(3), 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 3)
    assert loss(logits, label).item() == pytest.approx((math.log(4 / 3) + 3 * math.log(4)) / 4)


@pytest.mark.parametrize("ignore_index", [-1, -100, 3, 255])
@pytest.mark.parametrize("weights", [torch.ones(3), WEIGHTS, torch.tensor([0.0, 1.0, 1.0])])
def test_the_same_as_pytorch(ignore_index, weights):  # pitfall 11
    logits, label = drawn(ignore_index)
    loss, reference = WeightedCrossEntropy(weights, ignore_index), CrossEntropyLoss(weights, ignore_index=ignore_index)
    assert loss(logits, label).item() == pytest.approx(reference(logits, label).item(), rel=1e-6)
    [actual], [expected] = (torch.autograd.grad(each(logits, label), logits) for each in (loss, reference))
    assert_allclose(actual, expected, rtol=1e-5, atol=1e-8)


def test_without_weights_all_weights_are_1():
    logits, label = drawn(-1)
    without, ones = WeightedCrossEntropy(None, -1), WeightedCrossEntropy(torch.ones(3), -1)
    assert without(logits, label).item() == ones(logits, label).item()
    gradients = [torch.autograd.grad(each(logits, label), logits)[0] for each in (without, ones)]
    assert torch.equal(*gradients)


@pytest.mark.parametrize("ignore_index", [-1, 255])
def test_without_labels_loss_and_gradient_are_0(ignore_index):  # pitfall 21
    logits, label = drawn(ignore_index, share=2)
    value = WeightedCrossEntropy(WEIGHTS, ignore_index)(logits, label)
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


def test_with_classes_of_weight_0_only_loss_and_gradient_are_0():  # pitfall 21
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    value = WeightedCrossEntropy(torch.tensor([0.0, 1.0]), -1)(logits, torch.zeros(1, 3, 3, dtype=torch.long))
    value.backward()
    assert value.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_summed_in_float32(dtype):
    logits = torch.zeros(1, 2, 300, 300, dtype=dtype)  # a sum of 90 000 x log 2 lies near the end of float16
    value = WeightedCrossEntropy(torch.ones(2), -1)(logits, torch.zeros(1, 300, 300, dtype=torch.long))
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(math.log(2), rel=1e-5)


def test_weights_move_with_the_loss_but_are_not_in_checkpoints():  # pitfall 30
    loss = WeightedCrossEntropy(WEIGHTS, -1)
    assert [name for name, _ in loss.named_buffers()] == ["class_weights"]
    assert loss.state_dict() == {}
