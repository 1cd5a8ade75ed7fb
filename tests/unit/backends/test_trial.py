"""Trials compute as the work does: in as many threads, with parts of the batch."""

import pytest
import torch

from instageo.model.backends.backend import TORCH
from instageo.model.backends.trial import try_backends
from tests.unit.backends.conftest import chips_of, same_class


class Listener:
    """A backend that notes the sizes of batches, and PyTorch's threads."""

    def __init__(self):
        self.choice, self.calls = TORCH, []

    def __call__(self, image, time, location):
        self.calls.append((len(image), torch.get_num_threads()))
        return image[:, :, 0]


@pytest.mark.parametrize(("callers", "expected"), [(1, {(8, 4)}), (2, {(4, 2)}), (3, {(3, 1), (2, 1)}), (16, {(1, 1)})])
def test_callers_share_batch_and_threads(number_of_threads, callers, expected):
    number_of_threads(4)
    listener, chips = Listener(), chips_of(8)
    [figures] = try_backends([listener], chips, same_class, 0.0, callers)
    assert set(listener.calls) == expected
    assert sum(size for size, _ in listener.calls) == 3 * 8  # to warm up, and twice
    assert figures.agreement == 1
    assert torch.get_num_threads() == 4


def test_outputs_keep_the_order_of_chips():
    listener, compared = Listener(), []
    chips = chips_of(5)
    try_backends([listener], chips, lambda *outputs: compared.append(outputs) or 1.0, 0.0, 2)
    assert torch.equal(compared[0][0], chips.image[:, :, 0])
