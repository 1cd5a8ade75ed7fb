"""The parts of a training run: the network with its first weights, the Lightning module around it, and its data."""

import logging
from functools import partial
from typing import TYPE_CHECKING

import torch

from instageo.model.assemble import augmentations, build, loss
from instageo.model.backbones.weights import load_pretrained
from instageo.model.checkpoint import Checkpoint, facts, load_network_state
from instageo.model.dataset import WholeChips
from instageo.model.finetuning import choose_trained
from instageo.model.layout import band_names
from instageo.model.lora import add_lora
from instageo.model.network import PrithviSegmenter, compile_network
from instageo.model.predictor import Predictor, pick_device
from instageo.model.preparation import Parts, Start
from instageo.model.settings import Settings
from instageo.model.tables import chip_source, row_shares, training_windows
from instageo.model.tasks.choose import task_of
from instageo.model.teaching import build_distiller, start_from_teacher

if TYPE_CHECKING:
    from instageo.model.training.data import ChipData
    from instageo.model.training.module import FineTuning

log = logging.getLogger(__name__)


def build_parts(parts: Parts) -> tuple["FineTuning", "ChipData"]:
    """The module to train, its first weights drawn from the seed, and its data."""
    torch.manual_seed(parts.settings.seed)
    net = _network(parts.settings, parts.start)
    return _module(parts, net), _data(parts)


def _network(settings: Settings, start: Start) -> PrithviSegmenter:
    net, model = build(settings), settings.model
    if isinstance(start, Checkpoint):
        load_network_state(net, start)
    elif isinstance(start, Predictor):
        start_from_teacher(net, start, settings)
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


def _module(parts: Parts, net: PrithviSegmenter) -> "FineTuning":
    from instageo.model.training.module import FineTuning, Inputs
    from instageo.model.training.optimisation import optimisation_of

    settings = parts.settings
    data, ignored, task = settings.dataloader, settings.train.ignore_index, task_of(settings)
    return FineTuning(
        net,
        task.in_scale(loss(settings)),
        task.metrics(final=False, sync=True),
        Inputs(tuple(data.mean or ()), tuple(data.std or ()), augmentations(settings), ignored),
        optimisation_of(settings),
        Predictor(net, settings).tiling,
        task.monitor.name,
        partial(facts, settings, parts.asked),
        build_distiller(settings, net, parts.teacher),
    )


def _data(parts: Parts) -> "ChipData":
    from instageo.model.training.data import ChipData

    settings = parts.settings
    return ChipData(
        training_windows(settings, parts.learn),
        WholeChips(chip_source(settings, parts.judge)),
        batch_size=settings.train.batch_size,
        workers=settings.dataloader.num_workers,
        seed=settings.seed,
        shares=row_shares(settings, parts.learn),
    )
