"""A training run before it starts: weights, settings and tables looked at, so that mistakes are told at once."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from instageo.errors import ConfigError, DataError
from instageo.model.augmentations.factory import augmentations_from_settings
from instageo.model.backbones.variants import find_variant
from instageo.model.backbones.weights import find_weights
from instageo.model.context import Run
from instageo.model.dataset.fit_settings import fit_crop_size, fit_statistics
from instageo.model.distillation.teacher import check_teacher, load_teacher
from instageo.model.inference.predictor import Predictor
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.tables import inspect_table, shared_chips, warn_if_units_differ
from instageo.model.losses.factory import loss_from_settings
from instageo.model.networks.checkpoint import Checkpoint, read_checkpoint
from instageo.model.networks.factory import network_from_settings
from instageo.model.settings import AUTO, Settings
from instageo.model.settings.compose import update_settings
from instageo.model.settings.resolve import (
    apply_checkpoint,
    class_names,
    describe_layout,
    resolve_layout,
    size_settings,
)
from instageo.model.training.trainer import check_devices

log = logging.getLogger(__name__)

InitialWeights = Checkpoint | Path | Predictor | None
"""Where weights come from: a checkpoint, a file of pretrained ones, a teacher, or nowhere."""


@dataclass(frozen=True)
class TrainingInputs:
    """What a training run starts from, all looked at.

    Attributes:
        settings: Complete, with sizes and statistics that fit the training table.
        asked: As the user gave them, which a resumed run must share.
        start: Where the weights come from.
        teacher: Who the network learns from beside labels; None for nobody.
        train_table: The training table.
        val_table: The validation table.
    """

    settings: Settings
    asked: Settings
    start: InitialWeights
    teacher: Predictor | None
    train_table: TableReport
    val_table: TableReport


def prepare_training(run: Run) -> TrainingInputs:
    """Look at weights, settings and tables, so that mistakes are told before training takes its time.

    Raises:
        InstaGeoError: Something is missing, or does not fit.
    """
    check_devices(run.settings)
    settings = update_settings(run.settings, size_settings(run.settings, run.explicit))
    teacher = load_teacher(settings)
    settings, start = _starting_point(settings, run.explicit, teacher)
    settings = resolve_layout(settings, run.explicit)
    if teacher:
        check_teacher(teacher, settings)
    augmentations_from_settings(
        settings
    )  # mistakes in those, in losses and the network are told before the tables are read
    loss_from_settings(settings)
    with torch.device("meta"):
        network_from_settings(settings)
    completed = replace(run, settings=settings)
    train_table = inspect_table(completed, "train_filepath", values=settings.dataloader.mean == AUTO)
    val_table = inspect_table(completed, "valid_filepath")
    _compare(settings, train_table, val_table)
    settings = fit_crop_size(fit_statistics(settings, train_table), train_table)
    warn_if_units_differ(settings, train_table)
    return TrainingInputs(settings, run.settings, start, teacher, train_table, val_table)


def _starting_point(
    settings: Settings, explicit: frozenset[str], teacher: Predictor | None
) -> tuple[Settings, InitialWeights]:
    """Where the weights come from, looked up before any data are read.

    A checkpoint also decides settings, as in scoring and inference.
    """
    model = settings.model
    if settings.distill.init_from_teacher:
        _refuse_two_beginnings(settings, explicit)
        return settings, teacher
    published = find_variant(model.model_name).weights is not None or "model.load_pretrained_weights" in explicit
    if settings.checkpoint_path:
        checkpoint = read_checkpoint(settings.checkpoint_path)
        if settings.dataloader.mean == AUTO:
            log.info("mean and std are those of %s, whose weights know no others", checkpoint.path)
        return apply_checkpoint(settings, checkpoint, explicit), checkpoint
    if model.weights or (model.load_pretrained_weights and published):
        _refuse_other_width(settings)
        return settings, find_weights(model.model_name, model.weights)
    log.warning("%s starts from random weights%s", model.model_name, "" if published else ": none are published")
    return settings, None


def _refuse_two_beginnings(settings: Settings, explicit: frozenset[str]) -> None:
    model = settings.model
    asked = {
        f"checkpoint_path={settings.checkpoint_path}": settings.checkpoint_path,
        f"model.weights={model.weights}": model.weights,
        "model.load_pretrained_weights=true": "model.load_pretrained_weights" in explicit
        and model.load_pretrained_weights,
    }
    for other in [name for name, wish in asked.items() if wish]:
        raise ConfigError(f"distill.init_from_teacher=true and {other} contradict each other; choose one beginning")


def _refuse_other_width(settings: Settings) -> None:
    model = settings.model
    published = find_variant(model.model_name).embed_dim
    if model.weights is None and model.embed_dim not in (None, published):
        raise ConfigError(
            f"model.embed_dim={model.embed_dim}, but the pretrained weights of {model.model_name} have {published} "
            "channels; "
            "leave model.embed_dim out, name other weights (model.weights, checkpoint_path), or start from random ones "
            "with model.load_pretrained_weights=false"
        )


def _compare(settings: Settings, train_table: TableReport, val_table: TableReport) -> None:
    """Refuse two tables of different layout; tell how files are read and which classes do not occur."""
    if train_table.layers != val_table.layers:
        raise DataError(
            f"{settings.train_filepath} has files of {train_table.layers} layers, {settings.valid_filepath} of "
            f"{val_table.layers}; both tables need the same layout"
        )
    shared = shared_chips(train_table, val_table)
    if shared:
        log.warning(
            "%d chips are in %s and in %s, so that scores will be too good: %s%s",
            len(shared), settings.train_filepath, settings.valid_filepath, shared[0], " …" if shared[1:] else "",
        )  # fmt: skip
    log.info(describe_layout(settings, train_table.layers))
    if settings.is_reg_task:
        return
    absent = [name for name, count in zip(class_names(settings), train_table.class_counts, strict=True) if not count]
    if absent:
        shown = ", ".join(absent[:10]) + (" …" if len(absent) > 10 else "")
        log.warning("%s: no labelled pixel of %d classes: %s", settings.train_filepath, len(absent), shown)
