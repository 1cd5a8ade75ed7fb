"""Settings of optimisation and distillation: the groups `train` and `distill`."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from instageo.errors import ConfigError
from instageo.model.settings.fields import ANYTIME, Role, are_numbers, check, group, setting


class Scheduler(Enum):
    """Learning rate schedules."""

    constant = "constant"
    cosine = "cosine"
    one_cycle = "one_cycle"
    plateau = "plateau"


@dataclass
class RangeTestSettings:
    """Settings of the learning rate range test (`mode=lr_find`)."""

    min: float = setting(1e-7, "lowest learning rate", *ANYTIME)
    max: float = setting(1.0, "highest learning rate", *ANYTIME)
    steps: int = setting(100, "optimiser steps from the lowest to the highest", *ANYTIME)

    def __post_init__(self) -> None:
        check(0 < self.min < math.inf, "train.lr_find.min", self.min, "a learning rate above 0")
        check(self.min < self.max < math.inf, "train.lr_find.max", self.max, f"more than train.lr_find.min={self.min}")
        check(self.steps >= 10, "train.lr_find.steps", self.steps, "at least 10")


@dataclass
class TrainSettings:
    """Settings of optimisation: the group `train`."""

    learning_rate: float = setting(1e-4)
    num_epochs: int = setting(10, "", Role.free_on_resume)
    batch_size: int = setting(8)
    loss: Any = setting(
        None,
        "cross_entropy | focal | dice | jaccard | tversky | lovasz | mse | mae | huber | quantile | gaussian_nll, a "
        "sum such as {cross_entropy: 1, dice: 0.5}, or your own; null: the default of the task; see docs/losses.md",
        Role.default_from_checkpoint,
    )
    label_smoothing: float = setting(0.0, "cross_entropy: share of each label's weight spread over all classes")
    class_weights: Any = setting(
        None,
        "one weight per class; inverse (or auto), sqrt, effective: computed from the training table; null: all 1",
        Role.recorded_in_checkpoint,
    )
    ignore_index: int = setting(-1, "label value that is ignored", Role.default_from_checkpoint, Role.shared_with_data)
    weight_decay: float = setting(1e-2)
    layer_decay: float = setting(
        1.0, "ratio of a block's learning rate to that of the next block; 1: off, 0.75 is usual"
    )
    scheduler: Scheduler = setting(Scheduler.cosine, "cosine | constant | one_cycle | plateau")
    warmup_epochs: float = setting(0.0, "epochs over which the learning rate rises from 0; not with one_cycle")
    plateau_factor: float = setting(0.5, "plateau: factor by which the learning rate is multiplied")
    plateau_patience: int = setting(5, "plateau: epochs without a better validation score before the rate is reduced")
    accumulate_grad_batches: int = setting(1, "batches per optimiser step", former_name="accumulate")
    ema_decay: float | None = setting(
        None,
        "decay of the exponential moving average of the weights, e.g. 0.999; null: off",
        former_name="ema",
    )
    gradient_clip_val: float | None = setting(
        None, "largest norm of the gradient; null: no clipping", former_name="gradient_clip"
    )
    early_stopping_patience: int | None = setting(
        None,
        "epochs without a better validation score before training stops; null: off",
        Role.free_on_resume,
        former_name="early_stopping",
    )
    resume: Any = setting(
        False,
        "true: continue from the newest last.ckpt of the same settings; or the path of one",
        Role.free_text,
        *ANYTIME,
    )
    overwrite: bool = setting(
        False, "true: train in a run folder that holds another training, and delete its results", *ANYTIME
    )
    distillation: bool = setting(
        False, "true: train with a teacher in addition to the labels; see docs/distillation.md"
    )
    teacher_ckpt_path: str | None = setting(None, "the teacher's checkpoint, or the folder of its run", Role.free_text)
    lr_find: RangeTestSettings = group(RangeTestSettings, "mode=lr_find: the learning rate range test")

    def __post_init__(self) -> None:
        if self.teacher_ckpt_path == "None":  # as published configurations say null
            self.teacher_ckpt_path = None
        ignored = self.ignore_index
        check(-(2**31) <= ignored < 2**31, "train.ignore_index", ignored, "a whole number of at most 31 bits")
        rate = self.learning_rate
        check(0 < rate < math.inf, "train.learning_rate", rate, "a number above 0")
        smoothing = self.label_smoothing
        check(0 <= smoothing < 1, "train.label_smoothing", smoothing, "0 or more, below 1")
        check(self.num_epochs >= 1, "train.num_epochs", self.num_epochs, "at least 1")
        check(self.batch_size >= 1, "train.batch_size", self.batch_size, "at least 1")
        check(self.weight_decay >= 0, "train.weight_decay", self.weight_decay, "0 or more")
        check(0 < self.layer_decay <= 1, "train.layer_decay", self.layer_decay, "above 0, at most 1")
        self._check_schedule()
        patience = self.early_stopping_patience
        check(patience is None or patience >= 1, "train.early_stopping_patience", patience, "null, or at least 1 epoch")
        clip = self.gradient_clip_val
        check(clip is None or clip > 0, "train.gradient_clip_val", clip, "null, or a number above 0")
        check(isinstance(self.resume, (bool, str)), "train.resume", self.resume, "true, false or a path")
        check(not (self.resume and self.overwrite), "train.overwrite", True, "false with train.resume, which continues")
        weights = self.class_weights
        if isinstance(weights, str):
            what = f"a list, or {', '.join(CLASS_WEIGHTS)}"
            check(weights in CLASS_WEIGHTS, "train.class_weights", weights, what, CLASS_WEIGHTS)
        elif weights is not None:
            ok = are_numbers(weights) and all(0 <= weight < math.inf for weight in weights) and sum(weights) > 0
            check(ok, "train.class_weights", weights, "null, or one weight of 0 or more per class, not all 0")

    def _check_schedule(self) -> None:
        warm = self.warmup_epochs
        check(0 <= warm <= self.num_epochs, "train.warmup_epochs", warm, f"0 to train.num_epochs={self.num_epochs}")
        rises = self.scheduler is Scheduler.one_cycle
        check(not (warm and rises), "train.warmup_epochs", warm, "0, since train.scheduler=one_cycle rises by itself")
        factor, patience = self.plateau_factor, self.plateau_patience
        check(0 < factor < 1, "train.plateau_factor", factor, "above 0, below 1")
        check(patience >= 1, "train.plateau_patience", patience, "at least 1 epoch")
        check(
            self.accumulate_grad_batches >= 1,
            "train.accumulate_grad_batches",
            self.accumulate_grad_batches,
            "at least 1 batch",
        )
        check(
            self.ema_decay is None or 0 < self.ema_decay < 1,
            "train.ema_decay",
            self.ema_decay,
            "null, or above 0 and below 1",
        )


CLASS_WEIGHTS = ("auto", "inverse", "sqrt", "effective")
"""Class weights that are computed from the pixels of each class in the training table."""


@dataclass
class DistillSettings:
    """Settings of distillation; `train.distillation` and `train.teacher_ckpt_path` switch it on."""

    alpha: float = setting(
        0.5, "weight of the distillation loss (0 to 1); the label loss gets 1 - alpha", former_name="weight"
    )
    temperature: float = setting(2.0, "softmax temperature; higher values give unlikely classes more weight")
    feature_weight: float = setting(0.0, "weight of the distance between the tokens of both networks; 0: off")
    feature_blocks: str = setting("last", "last | pyramid: blocks whose tokens are compared")
    value_loss: str = setting("mse", "mse | smooth_l1: distance between regression outputs")
    init_from_teacher: bool = setting(
        False, "true: start from the teacher's weights, reduced to the student's depth and width"
    )
    teacher_layers: list[int] | None = setting(
        None, "with init_from_teacher: teacher block (from 0) for each student block; null: evenly spaced"
    )

    unlabelled_filepath: str | None = setting(
        None,
        "table of further chips, whose labels are not read: the student learns the teacher's outputs there",
        Role.free_text,
    )
    unlabelled_batch_size: int | None = setting(
        None, "chips of unlabelled_filepath that are added to each batch; null: as many as train.batch_size"
    )

    def __post_init__(self) -> None:
        self._check_unlabelled()
        check(0 <= self.alpha <= 1, "distill.alpha", self.alpha, "0 to 1")
        heat, features = self.temperature, self.feature_weight
        check(0 < heat < math.inf, "distill.temperature", heat, "a number above 0")
        check(0 <= features < math.inf, "distill.feature_weight", features, "0 or more")
        choices = {"feature_blocks": ("last", "pyramid"), "value_loss": ("mse", "smooth_l1")}
        for name, options in choices.items():
            chosen = getattr(self, name)
            check(chosen in options, f"distill.{name}", chosen, " or ".join(options), options)
        if self.teacher_layers is not None and not self.init_from_teacher:
            raise ConfigError("distill.teacher_layers does nothing without distill.init_from_teacher=true; add it")
        if not (self.alpha or self.feature_weight or self.init_from_teacher):
            raise ConfigError(
                "distill.alpha=0 and distill.feature_weight=0 leave nothing to learn from the teacher; raise one, or "
                "set distill.init_from_teacher=true to take its weights alone"
            )

    def _check_unlabelled(self) -> None:
        added = self.unlabelled_batch_size
        check(added is None or added >= 1, "distill.unlabelled_batch_size", added, "null, or at least 1 chip")
        if added is not None and self.unlabelled_filepath is None:
            raise ConfigError("distill.unlabelled_batch_size does nothing without distill.unlabelled_filepath; add it")
        if self.unlabelled_filepath is not None and not (self.alpha or self.feature_weight):
            raise ConfigError(
                "distill.unlabelled_filepath does nothing with distill.alpha=0 and distill.feature_weight=0; raise one"
            )
