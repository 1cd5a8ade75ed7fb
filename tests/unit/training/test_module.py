"""The Lightning module: what it logs as the loss of a validation, and what its randomness depends on."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from instageo.model.chips.sample import Sample
from instageo.model.dataset.sampler import epoch_seed
from instageo.model.inference.tiling import Tiling
from instageo.model.metrics.segmentation import SegmentationMetrics
from instageo.model.training.module import FineTuningModule, PreprocessConfig


class FirstBand(nn.Module):
    """The first band of the first date and its negative, as logits of two classes."""

    def forward(self, image, temporal_coords, location_coords):
        band = image[:, 0, 0]
        return torch.stack([band, -band], 1)


class MeanLogit(nn.Module):
    """The mean of the first class's logits."""

    def forward(self, outputs, label):
        return outputs[:, 0].mean()


@pytest.fixture
def module(monkeypatch):
    preprocess = PreprocessConfig(mean=(10.0,), std=(2.0,), tiling=Tiling(4, 4, 1))
    built = FineTuningModule(
        FirstBand(), MeanLogit(), SegmentationMetrics(2), preprocess, SimpleNamespace(seed=7), "val_mIoU", lambda _: {}
    )
    logged = {}
    monkeypatch.setattr(built, "log", lambda name, value, **options: logged.update({name: (value, options)}))
    return built, logged


def chip(value, labelled):
    """Return a chip of 4 x 4 equal pixels, of which the first ones have the label 0."""
    label = torch.full((4, 4), -1)
    label.view(-1)[:labelled] = 0
    return Sample(torch.full((1, 1, 4, 4), float(value)), torch.ones(1, 4, 4, dtype=torch.bool), label)


def test_the_validation_loss_weighs_chips_by_their_labelled_pixels(module):
    built, logged = module
    built.validation_step([chip(12, 16), chip(4, 4)], 0)  # normalised: 1 and -3
    value, options = logged["val_loss"]
    assert value.item() == pytest.approx((1 * 16 - 3 * 4) / 20)
    assert options["batch_size"] == 20  # so that the mean over batches weighs pixels, too


def test_chips_without_labels_have_no_validation_loss(module):
    built, logged = module
    built.validation_step([chip(12, 0)], 0)
    assert logged == {}


def test_the_seed_of_an_epoch_depends_on_seed_epoch_and_process():
    seeds = set()
    for epoch, rank in ((0, 0), (1, 0), (0, 1)):
        module = SimpleNamespace(
            optimizer_config=SimpleNamespace(seed=7), current_epoch=epoch, global_rank=rank, generator=torch.Generator()
        )
        FineTuningModule.on_train_epoch_start(module)
        assert torch.initial_seed() == module.generator.initial_seed() == epoch_seed(7, epoch, rank)
        seeds.add(torch.initial_seed())
    assert len(seeds) == 3
