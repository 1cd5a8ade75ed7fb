"""From settings to a teacher that fits its student, told before any data are read."""

from functools import partial

import torch

from instageo.errors import CheckpointError, ConfigError
from instageo.model.distillation.feature_matching import FeatureMatchingLoss
from instageo.model.distillation.loss import DistillationLoss, SoftLoss, TeacherNetwork
from instageo.model.distillation.soft_targets import soft_class_loss, soft_multilabel_loss, soft_regression_loss
from instageo.model.distillation.weight_selection import init_from_teacher, select_channels, select_layers
from instageo.model.heads.base import HeadSpec
from instageo.model.inference.predictor import Predictor, load_model
from instageo.model.networks.checkpoint import BEST, locate_checkpoint
from instageo.model.networks.factory import network_from_settings
from instageo.model.networks.segmenter import PrithviSegmenter
from instageo.model.settings import Settings
from instageo.model.settings.compose import flatten, settings_to_dict
from instageo.model.settings.resolve import band_names
from instageo.model.settings.roles import SHARED_WITH_TEACHER, UNIT_KEYS
from instageo.model.tasks.factory import task_from_settings
from instageo.model.tasks.multilabel import MultiLabel
from instageo.model.tasks.regression import Regression


def load_teacher(settings: Settings) -> Predictor | None:
    """The network at `train.teacher_ckpt_path`; None without `train.distillation`.

    Raises:
        CheckpointError: Missing, unreadable or inconsistent.
    """
    if not settings.train.distillation:
        return None
    told = str(settings.train.teacher_ckpt_path)
    path = locate_checkpoint(told)
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
    for key in SHARED_WITH_TEACHER:
        theirs, mine = (flatten(settings_to_dict(each))[key] for each in (teacher.settings, settings))
        if theirs != mine and not (sensor and key in UNIT_KEYS):
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
        student = network_from_settings(settings)
    if settings.distill.init_from_teacher:
        select_channels(student.prithvi_encoder, teacher.net.prithvi_encoder)
        select_layers(student.prithvi_encoder, teacher.net.prithvi_encoder, settings.distill.teacher_layers)
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


def init_student(net: PrithviSegmenter, teacher: Predictor, settings: Settings) -> None:
    """Fill a student from its teacher; its head too, if both are of one kind."""
    bands = band_names(settings), band_names(teacher.settings)
    kinds = [
        (chosen.model.head, chosen.model.head_channels or HeadSpec.hidden_channels, names)
        for chosen, names in zip((settings, teacher.settings), bands, strict=True)
    ]
    init_from_teacher(net, teacher.net, settings.distill.teacher_layers, bands=bands, with_head=kinds[0] == kinds[1])


def distillation_loss_from_settings(
    settings: Settings, net: PrithviSegmenter, teacher: Predictor | None
) -> DistillationLoss | None:
    """What has a student learn from its teacher in every step; None if there is nothing of the kind to learn."""
    chosen = settings.distill
    if teacher is None or not (chosen.alpha or chosen.feature_weight):
        return None
    data, names = teacher.settings.dataloader, band_names(settings)
    places = [names.index(band) for band in band_names(teacher.settings)]
    asked = TeacherNetwork(teacher.net, data.measured or [], data.std, places)
    matching = None
    if chosen.feature_weight:
        mine, theirs = net.prithvi_encoder, teacher.net.prithvi_encoder
        levels = 4 if chosen.feature_blocks == "pyramid" else 1
        matching = FeatureMatchingLoss((mine.embed_dim, mine.patch), (theirs.embed_dim, theirs.patch), levels)
    return DistillationLoss(
        asked, soft_loss_from_settings(settings, teacher), chosen.alpha, matching, chosen.feature_weight
    )


def soft_loss_from_settings(settings: Settings, teacher: Predictor) -> SoftLoss:
    """Distance of the outputs of student and teacher, of values in the student's scale."""
    mine, theirs, chosen = task_from_settings(settings), teacher.task, settings.distill
    if not (isinstance(mine, Regression) and isinstance(theirs, Regression)):
        several = isinstance(mine, MultiLabel)
        return partial(soft_multilabel_loss if several else soft_class_loss, temperature=chosen.temperature)
    distance = partial(
        soft_regression_loss,
        to_natural=theirs.scale.to_natural,
        from_natural=mine.scale.from_natural,
        smooth=chosen.value_loss == "smooth_l1",
    )
    own, asked = mine.outputs, theirs.outputs
    return lambda student, told, observed: distance(own.point(student)[:, None], asked.point(told)[:, None], observed)
