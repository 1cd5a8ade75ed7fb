"""A small network, and a cache that the tests of one process share, since conversions take long."""

import pytest
import torch
from torch import nn

from instageo.model.backends.backend import ChipBatch, NetworkSource
from instageo.model.graphs.program import InputShape

SHAPE = InputShape(2, 1, 16, 16)
CPU = torch.device("cpu")


class SmallNet(nn.Module):
    """Two bands of one date to two classes; the location shifts the first."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.last = nn.Conv2d(2, 8, 3, padding=1), nn.Conv2d(8, 2, 1)

    def forward(self, image, time=None, location=None):
        logits = self.last(self.first(image[:, :, 0]).relu())
        return logits + torch.nan_to_num(location[:, :1, None, None]) / 100


def source_of(seed=0, net=None):
    return NetworkSource(net or SmallNet(seed).eval(), SHAPE, f"checksum of {type(net).__name__} {seed}", CPU)


def chips_of(count, shape=SHAPE):
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(count, shape.bands, shape.dates, *shape.size, generator=generator)
    return ChipBatch(image, *shape.example(max(count, 2))[1:]).head(count)


def same_class(reference, outputs):
    return float((reference.argmax(1) == outputs.argmax(1)).double().mean())


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("shared_cache")


@pytest.fixture(autouse=True)
def own_cache(shared_cache, monkeypatch):
    monkeypatch.setenv("INSTAGEO_CACHE", str(shared_cache))
    return shared_cache


@pytest.fixture
def number_of_threads():
    """Sets PyTorch's number of threads until the end of the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch, own_cache):
    monkeypatch.setenv("INSTAGEO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
