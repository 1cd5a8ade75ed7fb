"""`mode=train`: fine-tune a network and leave its best checkpoint, history and scores."""

import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from instageo.errors import ConfigError, DataError
from instageo.model.assemble import augmentations, build
from instageo.model.backbones.variants import find_variant
from instageo.model.backbones.weights import find_weights, load_pretrained
from instageo.model.check import TableReport
from instageo.model.checkpoint import BEST, Checkpoint, adopt, class_names, facts, load_network_state, read_checkpoint
from instageo.model.commands.evaluate import score, write_scores
from instageo.model.config import overlay
from instageo.model.dataset import WholeChips
from instageo.model.finetuning import choose_trained
from instageo.model.fitting import fit_size, measured
from instageo.model.layout import band_names, complete, describe_layout
from instageo.model.lora import add_lora
from instageo.model.losses.cross_entropy import WeightedCrossEntropy
from instageo.model.metrics.segmentation import SegmentationMetrics
from instageo.model.network import PrithviSegmenter, compile_network
from instageo.model.predictor import Predictor, pick_device, predictor_from
from instageo.model.settings import AUTO, Run, Settings, require
from instageo.model.tables import (
    checked_table,
    chip_source,
    row_shares,
    shared_chips,
    training_windows,
    warn_of_another_unit,
)
from instageo.model.training.resume import to_resume
from instageo.model.training.trainer import MONITOR, best_score, build_trainer, refuse_devices, refuse_direction

if TYPE_CHECKING:
    from instageo.model.training.data import ChipData
    from instageo.model.training.module import FineTuning

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """What a training run starts from, all looked at.

    Attributes:
        settings: Complete, with sizes and statistics that fit the training table.
        start: Where the weights come from.
        learn: The training table.
        judge: The validation table.
    """

    settings: Settings
    start: Checkpoint | Path | None
    learn: TableReport
    judge: TableReport


def train(run: Run) -> float:
    """Train on `train_filepath`, choose the best epoch on `valid_filepath`, and score it there.

    Leaves `instageo_best_checkpoint.ckpt`, `last.ckpt`, `history.csv`, `learning_curve.png`, `tensorboard/` and the
    files of `mode=eval`.

    Returns:
        The best epoch's score, by which a sweep chooses.
    """
    require(run.settings, "root_dir", "train_filepath", "valid_filepath")
    if run.sweep:
        refuse_direction(run.sweep, MONITOR)
    newest = to_resume(run.settings, run.folder)
    folder = newest.parent if newest else run.folder
    parts = prepare(run)
    trainer = build_trainer(parts.settings, folder, MONITOR)  # seconds of imports, so only once the tables are good
    if run.sweep and trainer.world_size > 1:
        raise ConfigError(f"the jobs of a sweep (-m) run on one device each, not {trainer.world_size}; add devices=1")
    if len(parts.judge.rows) < trainer.world_size:
        raise ConfigError(
            f"{len(parts.judge.rows)} validation chips cannot be shared by {trainer.world_size} devices; use fewer"
        )
    module, data = build_parts(parts, run.settings)
    try:
        trainer.fit(module, data, ckpt_path=newest, weights_only=True)
    except SystemExit as stop:  # how Lightning answers Ctrl-C
        raise KeyboardInterrupt from stop
    if trainer.is_global_zero:
        _finish(parts.settings, folder, parts.judge)
    return best_score(trainer)


def prepare(run: Run) -> Parts:
    """Look at weights, settings and tables, so that mistakes are told before training takes its time.

    Raises:
        InstaGeoError: Something is missing, or does not fit.
    """
    refuse_devices(run.settings)
    settings, start = _starting_point(run.settings, run.explicit)
    settings = complete(settings, run.explicit)
    augmentations(settings)  # mistakes in those are told before the tables are read
    completed = replace(run, settings=settings)
    learn = checked_table(completed, "train_filepath", values=settings.dataloader.mean == AUTO)
    judge = checked_table(completed, "valid_filepath")
    _compare(settings, learn, judge)
    settings = fit_size(measured(settings, learn), learn)
    warn_of_another_unit(settings, learn)
    return Parts(settings, start, learn, judge)


def build_parts(parts: Parts, asked: Settings) -> tuple["FineTuning", "ChipData"]:
    """The module to train, its first weights drawn from the seed, and its data.

    Args:
        parts: What to build from.
        asked: Settings as the user gave them, which a resumed run must share.
    """
    torch.manual_seed(parts.settings.seed)
    net = _network(parts.settings, parts.start)
    return _task(parts.settings, asked, net), _data(parts.settings, parts.learn, parts.judge)


def _starting_point(settings: Settings, explicit: frozenset[str]) -> tuple[Settings, Checkpoint | Path | None]:
    """Where the weights come from, looked up before any data are read: a checkpoint, pretrained weights, or neither.

    A checkpoint also decides settings, as in scoring and inference.
    """
    model = settings.model
    published = find_variant(model.model_name).weights is not None or "model.load_pretrained_weights" in explicit
    if settings.checkpoint_path:
        checkpoint = read_checkpoint(settings.checkpoint_path)
        if settings.dataloader.mean == AUTO:
            log.info("mean and std are those of %s, whose weights know no others", checkpoint.path)
        return adopt(settings, checkpoint, explicit), checkpoint
    if model.weights or (model.load_pretrained_weights and published):
        return settings, find_weights(model.model_name, model.weights)
    log.warning("%s starts from random weights%s", model.model_name, "" if published else ": none are published")
    return settings, None


def _compare(settings: Settings, learn: TableReport, judge: TableReport) -> None:
    """Refuse two tables of different layout; tell how files are read and which classes do not occur."""
    if learn.layers != judge.layers:
        raise DataError(
            f"{settings.train_filepath} has files of {learn.layers} layers, {settings.valid_filepath} of "
            f"{judge.layers}; both tables need the same layout"
        )
    shared = shared_chips(learn, judge)
    if shared:
        log.warning(
            "%d chips are in %s and in %s, so that scores will be too good: %s%s",
            len(shared), settings.train_filepath, settings.valid_filepath, shared[0], " …" if shared[1:] else "",
        )  # fmt: skip
    log.info(describe_layout(settings, learn.layers))
    absent = [name for name, count in zip(class_names(settings), learn.class_counts, strict=True) if not count]
    if absent:
        shown = ", ".join(absent[:10]) + (" …" if len(absent) > 10 else "")
        log.warning("%s: no labelled pixel of %d classes: %s", settings.train_filepath, len(absent), shown)


def _network(settings: Settings, start: Checkpoint | Path | None) -> PrithviSegmenter:
    net, model = build(settings), settings.model
    if isinstance(start, Checkpoint):
        load_network_state(net, start)
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


def _task(settings: Settings, asked: Settings, net: PrithviSegmenter) -> "FineTuning":
    from instageo.model.training.module import FineTuning, Inputs
    from instageo.model.training.optimisation import optimisation_of

    data, course, classes = settings.dataloader, settings.train, settings.model.num_classes
    weights = torch.tensor(course.class_weights or [1.0] * classes)
    return FineTuning(
        net,
        WeightedCrossEntropy(weights, course.ignore_index),
        SegmentationMetrics(classes, course.ignore_index, roc=False),
        Inputs(tuple(data.mean or ()), tuple(data.std or ()), augmentations(settings)),
        optimisation_of(settings),
        Predictor(net, settings).tiling,
        partial(facts, settings, asked),
    )


def _data(settings: Settings, learn: TableReport, judge: TableReport) -> "ChipData":
    from instageo.model.training.data import ChipData

    return ChipData(
        training_windows(settings, learn),
        WholeChips(chip_source(settings, judge)),
        batch_size=settings.train.batch_size,
        workers=settings.dataloader.num_workers,
        seed=settings.seed,
        shares=row_shares(settings, learn),
    )


def _finish(settings: Settings, folder: Path, judge: TableReport) -> None:
    best = folder / f"{BEST}.ckpt"
    predictor = predictor_from(overlay(settings, {"checkpoint_path": str(best)}), frozenset())
    write_scores(score(predictor, judge), predictor.class_names, folder)
    log.info("best checkpoint: %s", best)
