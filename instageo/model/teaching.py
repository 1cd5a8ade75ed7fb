"""From settings to a teacher that fits its student, told before any data are read."""

from functools import partial

import torch

from instageo.errors import CheckpointError, ConfigError
from instageo.model.assemble import build
from instageo.model.checkpoint import BEST, locate
from instageo.model.config import flatten, to_plain
from instageo.model.distillation import Distiller, Soft, Teacher
from instageo.model.heads.base import HeadSpec
from instageo.model.inheritance import channels, inherit, layers
from instageo.model.layout import band_names
from instageo.model.losses.feature_matching import FeatureMatching
from instageo.model.losses.soft_targets import soft_labels, soft_targets, soft_values
from instageo.model.network import PrithviSegmenter
from instageo.model.predictor import Predictor, load_model
from instageo.model.settings import Settings
from instageo.model.tasks.choose import task_of
from instageo.model.tasks.multilabel import MultiLabelTask
from instageo.model.tasks.regression import RegressionTask

SHARED = (
    "is_reg_task", "dataloader.label_kind", "model.num_classes", "dataloader.temporal_dim",
    "dataloader.constant_multiplier", "dataloader.constant_offset", "dataloader.max_pixel_value",
)  # fmt: skip
"""Settings in which teacher and student agree: the task, and the unit and dates of the chips."""

UNIT = ("dataloader.constant_multiplier", "dataloader.constant_offset")
"""Those that a sensor decides: every sensor gives reflectance x 10000, whatever its files hold."""


def load_teacher(settings: Settings) -> Predictor | None:
    """The network at `train.teacher_ckpt_path`; None without `train.distillation`.

    Raises:
        CheckpointError: Missing, unreadable or inconsistent.
    """
    if not settings.train.distillation:
        return None
    told = str(settings.train.teacher_ckpt_path)
    path = locate(told)
    if not path.is_file():
        raise CheckpointError(
            f"train.teacher_ckpt_path={told}: no such checkpoint; expected the {BEST}.ckpt of a teacher, or its folder"
        )
    return load_model(path, device="cpu")


def check_teacher(teacher: Predictor, settings: Settings) -> None:
    """Refuse a teacher that cannot teach the network that settings describe, or start it as they ask.

    Args:
        teacher: As loaded.
        settings: Of the student, complete.

    Raises:
        ConfigError: Task, classes, bands, dates, units, or the blocks compared differ.
    """
    name = settings.train.teacher_ckpt_path
    sensor = settings.dataloader.sensor
    for key in SHARED:
        theirs, mine = (flatten(to_plain(each))[key] for each in (teacher.settings, settings))
        if theirs != mine and not (sensor and key in UNIT):
            raise ConfigError(f"{name}: the teacher has {key}={theirs}, the student {key}={mine}; both need the same")
    if sensor and max(teacher.settings.dataloader.measured or [0.0]) <= 2:
        raise ConfigError(
            f"{name}: the teacher has dataloader.mean={teacher.settings.dataloader.mean}, but "
            f"dataloader.sensor={sensor} gives reflectance x 10000; both need the same unit"
        )
    classes, own = teacher.settings.model.class_names, settings.model.class_names
    if classes and own and classes != own:
        raise ConfigError(f"{name}: the teacher's classes are {classes}, the student's {own}; both need the same")
    lacking = [band for band in band_names(teacher.settings) if band not in band_names(settings)]
    if lacking:
        raise ConfigError(
            f"{name}: the teacher sees {', '.join(lacking)}, which the chips do not have; they have "
            f"{', '.join(band_names(settings))}: name them with dataloader.band_names, or choose another teacher"
        )
    with torch.device("meta"):
        student = build(settings)
    if settings.distill.init_from_teacher:
        channels(student.prithvi_encoder, teacher.net.prithvi_encoder)
        layers(student.prithvi_encoder, teacher.net.prithvi_encoder, settings.distill.teacher_layers)
    if settings.distill.feature_weight and settings.distill.feature_blocks == "pyramid":
        _refuse_single_maps(student, teacher, settings)


def _refuse_single_maps(student: PrithviSegmenter, teacher: Predictor, settings: Settings) -> None:
    heads = {settings.model.head: student, teacher.settings.model.head: teacher.net}
    single = [head for head, net in heads.items() if not net.segmentation_head.pyramid]
    if single:
        raise ConfigError(
            f"distill.feature_blocks=pyramid, but the head {single[0]} looks at the last block alone; "
            "expected last, or heads that look at four blocks"
        )


def start_from_teacher(net: PrithviSegmenter, teacher: Predictor, settings: Settings) -> None:
    """Fill a student from its teacher; its head too, if both are of one kind."""
    bands = band_names(settings), band_names(teacher.settings)
    kinds = [
        (chosen.model.head, chosen.model.head_width or HeadSpec.inner, names)
        for chosen, names in zip((settings, teacher.settings), bands, strict=True)
    ]
    inherit(net, teacher.net, settings.distill.teacher_layers, bands=bands, with_head=kinds[0] == kinds[1])


def build_distiller(settings: Settings, net: PrithviSegmenter, teacher: Predictor | None) -> Distiller | None:
    """What has a student learn from its teacher in every step; None if there is nothing of the kind to learn."""
    chosen = settings.distill
    if teacher is None or not (chosen.weight or chosen.feature_weight):
        return None
    data, names = teacher.settings.dataloader, band_names(settings)
    places = [names.index(band) for band in band_names(teacher.settings)]
    asked = Teacher(teacher.net, data.measured or [], data.std, places)
    matching = None
    if chosen.feature_weight:
        mine, theirs = net.prithvi_encoder, teacher.net.prithvi_encoder
        levels = 4 if chosen.feature_blocks == "pyramid" else 1
        matching = FeatureMatching((mine.width, mine.patch), (theirs.width, theirs.patch), levels)
    return Distiller(asked, soft_loss(settings, teacher), chosen.weight, matching, chosen.feature_weight)


def soft_loss(settings: Settings, teacher: Predictor) -> Soft:
    """Distance of the outputs of student and teacher, of values in the student's scale."""
    mine, theirs, chosen = task_of(settings), teacher.task, settings.distill
    if not (isinstance(mine, RegressionTask) and isinstance(theirs, RegressionTask)):
        several = isinstance(mine, MultiLabelTask)
        return partial(soft_labels if several else soft_targets, temperature=chosen.temperature)
    distance = partial(
        soft_values,
        to_natural=theirs.scale.to_natural,
        from_natural=mine.scale.from_natural,
        smooth=chosen.value_loss == "smooth_l1",
    )
    own, asked = mine.outputs, theirs.outputs
    return lambda student, told, observed: distance(own.point(student)[:, None], asked.point(told)[:, None], observed)
