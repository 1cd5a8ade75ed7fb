"""`mode=train`: fine-tune a network and leave its best checkpoint, history and scores."""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from instageo.errors import ConfigError, DataError
from instageo.model.accounts.network import note_network
from instageo.model.assemble import augmentations, build, loss
from instageo.model.backbones.variants import find_variant
from instageo.model.backbones.weights import find_weights, load_pretrained
from instageo.model.check import TableReport
from instageo.model.checkpoint import BEST, Checkpoint, adopt, facts, load_network_state, read_checkpoint
from instageo.model.commands.evaluate import score
from instageo.model.config import overlay
from instageo.model.dataset import WholeChips
from instageo.model.distillation import Distiller
from instageo.model.finetuning import choose_trained
from instageo.model.fitting import fit_size, measured
from instageo.model.layout import band_names, class_names, complete, describe_layout
from instageo.model.lora import add_lora
from instageo.model.network import PrithviSegmenter, compile_network
from instageo.model.predictor import Predictor, pick_device, predictor_from
from instageo.model.settings import AUTO, Run, Settings, require
from instageo.model.sizes import told_by_size
from instageo.model.tables import (
    checked_table,
    chip_source,
    row_shares,
    shared_chips,
    training_windows,
    warn_of_another_unit,
)
from instageo.model.tasks.choose import task_of
from instageo.model.teaching import build_distiller, check_teacher, load_teacher, start_from_teacher
from instageo.model.training.loggers import conclude, refuse_loggers
from instageo.model.training.resume import to_resume
from instageo.model.training.trainer import build_trainer, refuse_devices

if TYPE_CHECKING:
    from instageo.model.training.data import ChipData
    from instageo.model.training.module import FineTuning

log = logging.getLogger(__name__)

Start = Checkpoint | Path | Predictor | None
"""Where weights come from: a checkpoint, a file of pretrained ones, a teacher, or nowhere."""


def train(run: Run) -> None:
    """Train on `train_filepath`, choose the best epoch on `valid_filepath`, and score it there.

    Leaves `instageo_best_checkpoint.ckpt`, `last.ckpt`, `history.csv`, `learning_curve.png`, `tensorboard/` and the
    files of `mode=eval`.
    """
    settings = run.settings
    require(settings, "root_dir", "train_filepath", "valid_filepath")
    newest = to_resume(settings, run.folder)
    folder = newest.parent if newest else run.folder
    run.notes.folder, run.notes.resumed = folder, newest is not None
    refuse_devices(settings)
    refuse_loggers(settings)
    settings = overlay(settings, told_by_size(settings, run.explicit))
    teacher = load_teacher(settings)
    settings, start = _starting_point(settings, run.explicit, teacher)
    settings = complete(settings, run.explicit)
    if teacher:
        check_teacher(teacher, settings)
    augmentations(settings)  # mistakes in those are told before the tables are read
    loss(settings)
    completed = replace(run, settings=settings)
    learn = checked_table(completed, "train_filepath", values=settings.dataloader.mean == AUTO)
    judge = checked_table(completed, "valid_filepath")
    _compare(settings, learn, judge)
    settings = fit_size(measured(settings, learn), learn)
    trainer = build_trainer(settings, folder, task_of(settings).monitor, run.notes)  # seconds of imports, so only now
    if len(judge.rows) < trainer.world_size:
        raise ConfigError(
            f"{len(judge.rows)} validation chips cannot be shared by {trainer.world_size} devices; use fewer"
        )
    warn_of_another_unit(settings, learn)
    torch.manual_seed(settings.seed)
    net = _network(settings, start)
    note_network(run.notes, settings, net)
    try:
        trainer.fit(
            _module(settings, run.settings, net, build_distiller(settings, net, teacher)),
            _data(settings, learn, judge), ckpt_path=newest, weights_only=True,
        )  # fmt: skip
    except SystemExit as stop:  # how Lightning answers Ctrl-C
        raise KeyboardInterrupt from stop
    if trainer.is_global_zero:
        run.notes.scores = _finish(settings, folder, judge)
        conclude(trainer.loggers, run.notes.scores, folder / f"{BEST}.ckpt", upload=settings.tracking.upload)


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


def _module(settings: Settings, asked: Settings, net: PrithviSegmenter, distiller: Distiller | None) -> "FineTuning":
    from instageo.model.training.module import FineTuning, Inputs
    from instageo.model.training.optimisation import optimisation_of

    data, ignored, task = settings.dataloader, settings.train.ignore_index, task_of(settings)
    return FineTuning(
        net,
        task.in_scale(loss(settings)),
        task.metrics(final=False, sync=True),
        Inputs(tuple(data.mean or ()), tuple(data.std or ()), augmentations(settings), ignored),
        optimisation_of(settings),
        Predictor(net, settings).tiling,
        task.monitor.name,
        partial(facts, settings, asked),
        distiller,
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


def _finish(settings: Settings, folder: Path, judge: TableReport) -> dict[str, float]:
    best = folder / f"{BEST}.ckpt"
    predictor = predictor_from(overlay(settings, {"checkpoint_path": str(best)}), frozenset())
    scores = predictor.task.report(score(predictor, judge), folder)
    log.info("best checkpoint: %s", best)
    return scores
