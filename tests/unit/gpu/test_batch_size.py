"""Batches take at most half of the free memory of a GPU, and are left alone elsewhere."""

import pytest
import torch

from instageo.model.gpu.batch_size import MAX_BATCH, fit_batch_size, with_gpu_batches
from instageo.model.settings import Settings


@pytest.mark.parametrize(
    ("image_bytes", "free_bytes", "expected"),
    [
        (1.0, 1e9, MAX_BATCH),
        (1e9, 140e9, 64),  # 64 GB of 70
        (1e9, 126e9, 32),  # 64 GB are more than 63
        (1e9, 16e9, 8),
        (1e9, 1e9, 1),
        (None, 1e12, 1),
    ],
)
def test_the_largest_power_of_two_that_takes_half_of_the_memory(image_bytes, free_bytes, expected):
    assert fit_batch_size(image_bytes, free_bytes) == expected


def test_batches_of_a_cpu_are_those_of_the_settings():
    settings = Settings()
    assert with_gpu_batches(settings, frozenset(), torch.nn.Identity(), torch.device("cpu")) is settings


def test_a_batch_size_that_a_user_has_chosen_stays():
    settings = Settings()
    device = torch.device("cuda")  # is not used
    assert with_gpu_batches(settings, {"train.batch_size"}, torch.nn.Identity(), device) is settings
