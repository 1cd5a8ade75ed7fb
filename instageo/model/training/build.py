"""Build what a training run needs: the network with its first weights, the Lightning module, and the data."""

import logging
from functools import partial
from typing import TYPE_CHECKING

import torch

from instageo.model.augmentations.from_settings import augmentations_from_settings
from instageo.model.backbones.weights import load_pretrained
from instageo.model.dataset.datasets import WholeChipDataset
from instageo.model.dataset.from_settings import (
    chip_reader_from_settings,
    count_workers,
    random_crops_from_settings,
    sampling_probabilities,
)
from instageo.model.distillation.from_settings import distillation_loss_from_settings, init_student
from instageo.model.inference.predictor import Predictor
from instageo.model.losses.from_settings import loss_from_settings
from instageo.model.networks.base import SegmentationNetwork
from instageo.model.networks.checkpoint import Checkpoint, checkpoint_metadata, load_network_state
from instageo.model.networks.device import compile_network, pick_device
from instageo.model.networks.freezing import freeze_parameters
from instageo.model.networks.from_settings import network_from_settings
from instageo.model.networks.lora import add_lora
from instageo.model.settings import Settings
from instageo.model.settings.derived import band_names
from instageo.model.tasks.from_settings import task_from_settings
from instageo.model.training.from_settings import optimizer_from_settings
from instageo.model.training.setup import InitialWeights, TrainingInputs

if TYPE_CHECKING:
    from instageo.model.dataset.datamodule import LoaderDataModule
    from instageo.model.training.module import FineTuningModule

log = logging.getLogger(__name__)


def build_training(inputs: TrainingInputs) -> tuple["FineTuningModule", "LoaderDataModule"]:
    """Build the module to train, random weights drawn from the seed, and its data."""
    torch.manual_seed(inputs.settings.seed)
    net = _build_network(inputs.settings, inputs.initial_weights)
    return _build_module(inputs, net), _build_data(inputs)


def _build_network(settings: Settings, weights: InitialWeights) -> SegmentationNetwork:
    net, model = network_from_settings(settings), settings.model
    if isinstance(weights, Checkpoint):
        load_network_state(net, weights)
    elif isinstance(weights, Predictor):
        init_student(net, weights, settings)
    elif weights is not None:
        load_pretrained(net.encoder_for("model.weights"), model.model_name, weights, band_names(settings))
    freeze_parameters(net, freeze_encoder=model.freeze_backbone, last_blocks=model.train_last_blocks)
    if model.lora_rank is not None:
        alpha = model.lora_alpha or 2.0 * model.lora_rank
        add_lora(
            net.encoder_for("model.lora_rank"),
            rank=model.lora_rank, alpha=alpha, dropout=model.lora_dropout, targets=model.lora_targets,
        )  # fmt: skip
    trained = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in net.parameters())
    log.info("%s: %.1f of %.1f million parameters to train", model.model_name, trained / 1e6, total / 1e6)
    if settings.compile:
        compile_network(net, on_cpu=pick_device(settings.accelerator) == "cpu")
    return net


def _build_module(inputs: TrainingInputs, net: SegmentationNetwork) -> "FineTuningModule":
    from instageo.model.training.module import FineTuningModule, PreprocessConfig

    settings = inputs.settings
    data, task = settings.dataloader, task_from_settings(settings)
    preprocess = PreprocessConfig(
        tuple(data.mean or ()),
        tuple(data.std or ()),
        Predictor(net, settings).tiling,
        augmentations_from_settings(settings),
        settings.train.ignore_index,
    )
    return FineTuningModule(
        net,
        task.wrap_loss(loss_from_settings(settings)),
        task.build_metrics(final=False, sync=True),
        preprocess,
        optimizer_from_settings(settings),
        task.monitor.name,
        partial(checkpoint_metadata, settings, inputs.requested, inputs.value_range),
        distillation_loss_from_settings(settings, net, inputs.teacher),
    )


def _build_data(inputs: TrainingInputs) -> "LoaderDataModule":
    from instageo.model.dataset.datamodule import LoaderDataModule

    settings, distill = inputs.settings, inputs.settings.distill
    unlabelled, side = inputs.unlabelled_table, settings.dataloader.img_size
    height, width = inputs.val_table.max_shape
    largest = max(side, height), max(side, width)
    return LoaderDataModule(
        random_crops_from_settings(settings, inputs.train_table),
        WholeChipDataset(chip_reader_from_settings(settings, inputs.val_table)),
        batch_size=settings.train.batch_size,
        num_workers=count_workers(settings, pick_device(settings.accelerator), largest),
        seed=settings.seed,
        probabilities=sampling_probabilities(settings, inputs.train_table),
        unlabelled_data=None
        if unlabelled is None
        else random_crops_from_settings(settings, unlabelled, labelled=False),
        unlabelled_batch_size=distill.unlabelled_batch_size or settings.train.batch_size,
    )
