"""`mode=train`: fine-tune a network and leave its best checkpoint, history and scores."""

import logging
import os
import sys
from functools import partial
from pathlib import Path

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException

from instageo.errors import CheckpointError, ConfigError, DataError
from instageo.model.assemble import augmentations, build, checked_table, chip_format, describe_layout, label_format
from instageo.model.backbones.weights import load_pretrained
from instageo.model.check import TableReport
from instageo.model.checkpoint import BEST, LAST, class_names, facts, load_network_state, read_checkpoint
from instageo.model.commands.evaluate import score, write_scores
from instageo.model.config import overlay, same
from instageo.model.dataset import RandomWindows, WholeChips
from instageo.model.losses.cross_entropy import WeightedCrossEntropy
from instageo.model.metrics.segmentation import SegmentationMetrics
from instageo.model.network import PrithviSegmenter
from instageo.model.predictor import Predictor, pick_device, predictor_from
from instageo.model.settings import Run, Scheduler, Settings, require
from instageo.model.tasks.data import ChipData
from instageo.model.tasks.segmentation import Inputs, Optimisation, SegmentationTask
from instageo.model.tracking import callbacks, loggers

log = logging.getLogger(__name__)


def train(run: Run) -> None:
    """Train on `train_filepath`, choose the best epoch on `valid_filepath`, and score it there.

    Leaves `instageo_best_checkpoint.ckpt`, `last.ckpt`, `history.csv`, `learning_curve.png`, `tensorboard/` and the
    files of `mode=eval`.
    """
    settings = run.settings
    require(settings, "root_dir", "train_filepath", "valid_filepath")
    newest = _to_resume(settings, run.folder)
    folder = newest.parent if newest else run.folder
    learn, judge = checked_table(settings, "train_filepath"), checked_table(settings, "valid_filepath")
    settings = _fit_size(_same_layout(settings, learn, judge), learn)
    torch.manual_seed(settings.seed)
    net = _network(settings)
    trainer = _trainer(settings, folder)
    trainer.fit(_task(settings, net), _data(settings, learn, judge), ckpt_path=newest, weights_only=True)
    if trainer.is_global_zero:
        _finish(settings, folder, judge)


def _to_resume(settings: Settings, run_dir: Path) -> Path | None:
    """The checkpoint to go on from; None for a new run.

    Raises:
        CheckpointError: `train.resume` names a file that does not exist.
    """
    wish = settings.train.resume
    if isinstance(wish, str):
        path = Path(wish) / f"{LAST}.ckpt" if Path(wish).is_dir() else Path(wish)
        if not path.is_file():
            raise CheckpointError(f"train.resume={wish}: no such checkpoint; expected a {LAST}.ckpt or its folder")
        return path
    if not wish:
        return None
    found = [run_dir / f"{LAST}.ckpt", *run_dir.parent.parent.glob(f"*/*/{LAST}.ckpt")]
    stored = {path: path.parent / ".hydra" / "config.yaml" for path in found if path.is_file()}
    fitting = [path for path, config in stored.items() if config.is_file() and same(settings, config)]
    if not fitting:
        log.warning("train.resume=true: no %s.ckpt of these settings near %s; starting anew", LAST, run_dir)
        return None
    newest = max(fitting, key=lambda path: path.stat().st_mtime)
    log.info("resuming %s", newest)
    return newest


def _same_layout(settings: Settings, learn: TableReport, judge: TableReport) -> Settings:
    if learn.layers != judge.layers:
        raise DataError(
            f"{settings.train_filepath} has files of {learn.layers} layers, {settings.valid_filepath} of "
            f"{judge.layers}; both tables need the same layout"
        )
    log.info(describe_layout(settings, learn.layers))
    absent = [name for name, count in zip(class_names(settings), learn.class_counts, strict=True) if not count]
    if absent:
        log.warning("%s: no labelled pixel of class %s", settings.train_filepath, ", ".join(absent))
    return settings


def _fit_size(settings: Settings, learn: TableReport) -> Settings:
    """Settings whose `img_size` is no larger than the chips, rounded up to whole patches."""
    wanted, largest, patch = settings.dataloader.img_size, max(learn.largest), 16
    needed = -(-largest // patch) * patch
    if wanted <= largest:
        if wanted < largest:
            log.info("chips of up to %d pixels: each epoch takes a random %d-pixel window of each", largest, wanted)
        return settings
    log.warning(
        "chips have at most %d pixels, dataloader.img_size=%d asks for more: training at %d", largest, wanted, needed
    )
    return overlay(settings, {"dataloader.img_size": min(needed, wanted)})


def _network(settings: Settings) -> PrithviSegmenter:
    net, model = build(settings), settings.model
    if settings.checkpoint_path:
        load_network_state(net, read_checkpoint(settings.checkpoint_path))
    elif model.load_pretrained_weights or model.weights:
        load_pretrained(net.prithvi_encoder, model.model_name, model.weights)
    net.prithvi_encoder.requires_grad_(not model.freeze_backbone)
    counted = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    log.info("%s: %.1f million parameters to train", model.model_name, counted / 1e6)
    return net


def _task(settings: Settings, net: PrithviSegmenter) -> SegmentationTask:
    data, course, classes = settings.dataloader, settings.train, settings.model.num_classes
    weights = torch.tensor(course.class_weights or [1.0] * classes)
    cosine = course.scheduler is Scheduler.cosine
    return SegmentationTask(
        net,
        WeightedCrossEntropy(weights, course.ignore_index),
        SegmentationMetrics(classes, course.ignore_index, roc=False),
        Inputs(tuple(data.mean), tuple(data.std), augmentations(settings)),
        Optimisation(course.learning_rate, course.weight_decay, cosine, course.warmup_epochs, settings.seed),
        Predictor(net, settings).tiling,
        partial(facts, settings),
    )


def _data(settings: Settings, learn: TableReport, judge: TableReport) -> ChipData:
    chips, labels, side = chip_format(settings), label_format(settings), settings.dataloader.img_size
    return ChipData(
        RandomWindows(learn.rows, chips, labels, (side, side)),
        WholeChips(judge.rows, chips, labels),
        batch_size=settings.train.batch_size,
        workers=settings.dataloader.num_workers,
        seed=settings.seed,
    )


def _refuse_crowding(settings: Settings) -> None:
    """On the CPU, every device is one more process: more of them than cores bring the machine to a halt."""
    cores = os.cpu_count() or 1
    on_cpu = pick_device(settings.accelerator) == "cpu"
    if on_cpu and str(settings.devices).isdigit() and int(settings.devices) > cores:
        raise ConfigError(f"devices={settings.devices} does not work on {cores} CPU cores; expected at most {cores}")


def _trainer(settings: Settings, folder: Path) -> pl.Trainer:
    _refuse_crowding(settings)
    try:
        return pl.Trainer(
            max_epochs=settings.train.num_epochs,
            accelerator=settings.accelerator,
            devices=settings.devices,
            precision=settings.precision,  # type: ignore[arg-type]
            gradient_clip_val=settings.train.gradient_clip,
            callbacks=callbacks(folder, settings.train.early_stopping),
            logger=loggers(folder),
            default_root_dir=folder,
            enable_progress_bar=sys.stderr.isatty(),
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
    except (MisconfigurationException, ValueError) as error:
        chosen = f"accelerator={settings.accelerator} devices={settings.devices} precision={settings.precision}"
        raise ConfigError(f"{chosen} does not work on this machine: {str(error).splitlines()[0]}") from error


def _finish(settings: Settings, folder: Path, judge: TableReport) -> None:
    best = folder / f"{BEST}.ckpt"
    predictor = predictor_from(overlay(settings, {"checkpoint_path": str(best)}), frozenset())
    write_scores(score(predictor, judge.rows), predictor.class_names, folder)
    log.info("best checkpoint: %s", best)
