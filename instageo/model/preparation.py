"""A training run before it starts: weights, settings and tables looked at, so that mistakes are told at once."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from instageo.errors import ConfigError, DataError
from instageo.model.assemble import augmentations, build, loss
from instageo.model.backbones.variants import find_variant
from instageo.model.backbones.weights import find_weights
from instageo.model.check import TableReport
from instageo.model.checkpoint import Checkpoint, adopt, read_checkpoint
from instageo.model.config import overlay
from instageo.model.fitting import fit_size, measured
from instageo.model.layout import class_names, complete, describe_layout
from instageo.model.predictor import Predictor
from instageo.model.settings import AUTO, Run, Settings
from instageo.model.sizes import told_by_size
from instageo.model.tables import checked_table, shared_chips, warn_of_another_unit
from instageo.model.teaching import check_teacher, load_teacher
from instageo.model.training.trainer import refuse_devices

log = logging.getLogger(__name__)

Start = Checkpoint | Path | Predictor | None
"""Where weights come from: a checkpoint, a file of pretrained ones, a teacher, or nowhere."""


@dataclass(frozen=True)
class Parts:
    """What a training run starts from, all looked at.

    Attributes:
        settings: Complete, with sizes and statistics that fit the training table.
        asked: As the user gave them, which a resumed run must share.
        start: Where the weights come from.
        teacher: Who the network learns from beside labels; None for nobody.
        learn: The training table.
        judge: The validation table.
    """

    settings: Settings
    asked: Settings
    start: Start
    teacher: Predictor | None
    learn: TableReport
    judge: TableReport


def prepare(run: Run) -> Parts:
    """Look at weights, settings and tables, so that mistakes are told before training takes its time.

    Raises:
        InstaGeoError: Something is missing, or does not fit.
    """
    refuse_devices(run.settings)
    settings = overlay(run.settings, told_by_size(run.settings, run.explicit))
    teacher = load_teacher(settings)
    settings, start = _starting_point(settings, run.explicit, teacher)
    settings = complete(settings, run.explicit)
    if teacher:
        check_teacher(teacher, settings)
    augmentations(settings)  # mistakes in those, in losses and the network are told before the tables are read
    loss(settings)
    with torch.device("meta"):
        build(settings)
    completed = replace(run, settings=settings)
    learn = checked_table(completed, "train_filepath", values=settings.dataloader.mean == AUTO)
    judge = checked_table(completed, "valid_filepath")
    _compare(settings, learn, judge)
    settings = fit_size(measured(settings, learn), learn)
    warn_of_another_unit(settings, learn)
    return Parts(settings, run.settings, start, teacher, learn, judge)


def _starting_point(settings: Settings, explicit: frozenset[str], teacher: Predictor | None) -> tuple[Settings, Start]:
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
        return adopt(settings, checkpoint, explicit), checkpoint
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
    published = find_variant(model.model_name).width
    if model.weights is None and model.width not in (None, published):
        raise ConfigError(
            f"model.width={model.width}, but the pretrained weights of {model.model_name} have {published} channels; "
            "leave model.width out, name other weights (model.weights, checkpoint_path), or start from random ones "
            "with model.load_pretrained_weights=false"
        )


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
    if settings.is_reg_task:
        return
    absent = [name for name, count in zip(class_names(settings), learn.class_counts, strict=True) if not count]
    if absent:
        shown = ", ".join(absent[:10]) + (" …" if len(absent) > 10 else "")
        log.warning("%s: no labelled pixel of %d classes: %s", settings.train_filepath, len(absent), shown)
