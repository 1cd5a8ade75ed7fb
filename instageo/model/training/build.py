"""The parts of a training run: the network with its first weights, the Lightning module around it, and its data."""

import logging
from functools import partial
from typing import TYPE_CHECKING

import torch

from instageo.model.augmentations.factory import augmentations_from_settings
from instageo.model.backbones.weights import load_pretrained
from instageo.model.dataset.datasets import WholeChipDataset
from instageo.model.dataset.factory import chip_reader_from_settings, random_crops_from_settings, sampling_probabilities
from instageo.model.distillation.teacher import distillation_loss_from_settings, init_student
from instageo.model.inference.predictor import Predictor
from instageo.model.losses.factory import loss_from_settings
from instageo.model.networks.checkpoint import Checkpoint, checkpoint_metadata, load_network_state
from instageo.model.networks.device import compile_network, pick_device
from instageo.model.networks.factory import network_from_settings
from instageo.model.networks.finetuning import choose_trained
from instageo.model.networks.lora import add_lora
from instageo.model.networks.segmenter import PrithviSegmenter
from instageo.model.settings import Settings
from instageo.model.settings.resolve import band_names
from instageo.model.tasks.factory import task_from_settings
from instageo.model.training.setup import InitialWeights, TrainingInputs

if TYPE_CHECKING:
    from instageo.model.dataset.datamodule import LoaderDataModule
    from instageo.model.training.module import FineTuningModule

log = logging.getLogger(__name__)


def build_training(parts: TrainingInputs) -> tuple["FineTuningModule", "LoaderDataModule"]:
    """The module to train, its first weights drawn from the seed, and its data."""
    torch.manual_seed(parts.settings.seed)
    net = _network(parts.settings, parts.start)
    return _module(parts, net), _data(parts)


def _network(settings: Settings, start: InitialWeights) -> PrithviSegmenter:
    net, model = network_from_settings(settings), settings.model
    if isinstance(start, Checkpoint):
        load_network_state(net, start)
    elif isinstance(start, Predictor):
        init_student(net, start, settings)
    elif start is not None:
        load_pretrained(net.prithvi_encoder, model.model_name, start, band_names(settings))
    choose_trained(net, frozen=model.freeze_backbone, last_blocks=model.train_last_blocks)
    if model.lora_rank is not None:
        alpha = model.lora_alpha or 2.0 * model.lora_rank
        add_lora(
            net.prithvi_encoder,
            rank=model.lora_rank, alpha=alpha, dropout=model.lora_dropout, targets=model.lora_targets,
        )  # fmt: skip
    counted = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in net.parameters())
    log.info("%s: %.1f of %.1f million parameters to train", model.model_name, counted / 1e6, total / 1e6)
    if settings.compile:
        compile_network(net, on_cpu=pick_device(settings.accelerator) == "cpu")
    return net


def _module(parts: TrainingInputs, net: PrithviSegmenter) -> "FineTuningModule":
    from instageo.model.training.module import FineTuningModule, PreprocessConfig
    from instageo.model.training.optimizer import optimizer_from_settings

    settings = parts.settings
    data, ignored, task = settings.dataloader, settings.train.ignore_index, task_from_settings(settings)
    return FineTuningModule(
        net,
        task.wrap_loss(loss_from_settings(settings)),
        task.metrics(final=False, sync=True),
        PreprocessConfig(tuple(data.mean or ()), tuple(data.std or ()), augmentations_from_settings(settings), ignored),
        optimizer_from_settings(settings),
        Predictor(net, settings).tiling,
        task.monitor.name,
        partial(checkpoint_metadata, settings, parts.asked),
        distillation_loss_from_settings(settings, net, parts.teacher),
    )


def _data(parts: TrainingInputs) -> "LoaderDataModule":
    from instageo.model.dataset.datamodule import LoaderDataModule

    settings = parts.settings
    return LoaderDataModule(
        random_crops_from_settings(settings, parts.train_table),
        WholeChipDataset(chip_reader_from_settings(settings, parts.val_table)),
        batch_size=settings.train.batch_size,
        workers=settings.dataloader.num_workers,
        seed=settings.seed,
        shares=sampling_probabilities(settings, parts.train_table),
    )
