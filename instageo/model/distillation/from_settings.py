"""From settings to a teacher that fits its student, and to the loss of the student."""

from functools import partial

import torch

from instageo.errors import CheckpointError, ConfigError
from instageo.model.distillation.feature_matching import FeatureMatchingLoss
from instageo.model.distillation.loss import DistillationLoss, SoftLoss, TeacherNetwork
from instageo.model.distillation.soft_targets import soft_class_loss, soft_multilabel_loss, soft_regression_loss
from instageo.model.distillation.weight_selection import (
    INIT_FROM_TEACHER,
    init_from_teacher,
    select_channels,
    select_layers,
)
from instageo.model.heads.base import HeadSpec
from instageo.model.inference.predictor import Predictor
from instageo.model.map_jobs.trained_model import load_model
from instageo.model.networks.base import SegmentationNetwork
from instageo.model.networks.checkpoint import BEST, locate_checkpoint
from instageo.model.networks.from_settings import network_from_settings
from instageo.model.networks.meta_device import without_values
from instageo.model.settings import Settings
from instageo.model.settings.compose import settings_to_dict
from instageo.model.settings.derived import band_names
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import flatten, keys_with
from instageo.model.tasks.from_settings import task_from_settings
from instageo.model.tasks.multilabel import MultiLabel
from instageo.model.tasks.regression import Regression


def load_teacher(settings: Settings) -> Predictor | None:
    """Load the model at `train.teacher_ckpt_path`; return None without `train.distillation`.

    Raises:
        CheckpointError: It is missing, unreadable or inconsistent.
    """
    if not settings.train.distillation:
        return None
    location = str(settings.train.teacher_ckpt_path)
    path = locate_checkpoint(location)
    if not path.is_file():
        raise CheckpointError(
            f"train.teacher_ckpt_path={location}: the file does not exist; expected the {BEST}.ckpt of a teacher, "
            "or its folder"
        )
    return load_model(path, device="cpu")


def check_teacher(teacher: Predictor, settings: Settings) -> None:
    """Check that a teacher fits the network that settings describe, and can initialise it if they request that.

    Args:
        teacher: As loaded.
        settings: Resolved settings of the student.

    Raises:
        ConfigError: Task, classes, bands, dates or units differ, or the compared blocks do not exist.
    """
    _check_shared_settings(teacher.settings, settings)
    with without_values():
        student = network_from_settings(settings)
    if settings.distill.init_from_teacher:
        encoders = student.encoder_for(INIT_FROM_TEACHER), teacher.net.encoder_for(INIT_FROM_TEACHER)
        select_channels(*encoders)
        select_layers(*encoders, settings.distill.teacher_layers)
    if settings.distill.feature_weight and settings.distill.feature_blocks == "pyramid":
        heads = {settings.model.head: student, teacher.settings.model.head: teacher.net}
        single = [head for head, net in heads.items() if net.num_maps == 1]
        if single:
            raise ConfigError(
                f"distill.feature_blocks=pyramid, but the head {single[0]} takes the last block only; expected last, "
                "or heads that take four blocks"
            )


def _check_shared_settings(teacher: Settings, student: Settings) -> None:
    name, sensor = student.train.teacher_ckpt_path, student.dataloader.sensor
    for key in keys_with(Role.shared_with_teacher):
        teacher_value, student_value = (flatten(settings_to_dict(each))[key] for each in (teacher, student))
        if teacher_value != student_value and not (sensor and key in keys_with(Role.set_by_sensor)):
            raise ConfigError(
                f"{name}: the teacher has {key}={teacher_value}, the student {key}={student_value}; both need the same"
            )
    radar = student.dataloader.radar_unit is not None
    if sensor and not radar and max(teacher.dataloader.given_mean or [0.0]) <= 2:
        raise ConfigError(
            f"{name}: the teacher has dataloader.mean={teacher.dataloader.mean}, but dataloader.sensor={sensor} gives "
            "reflectance x 10000; both need the same unit"
        )
    teacher_classes, student_classes = teacher.model.class_names, student.model.class_names
    if teacher_classes and student_classes and teacher_classes != student_classes:
        raise ConfigError(
            f"{name}: the teacher's classes are {teacher_classes}, the student's {student_classes}; both need the same"
        )
    missing = [band for band in band_names(teacher) if band not in band_names(student)]
    if missing:
        raise ConfigError(
            f"{name}: the teacher needs the bands {', '.join(missing)}, which the chips do not have; they have "
            f"{', '.join(band_names(student))}: name them with dataloader.band_names, or choose another teacher"
        )


def init_student(net: SegmentationNetwork, teacher: Predictor, settings: Settings) -> None:
    """Initialise a student from its teacher, including the head if both heads have the same kind, width and bands."""
    bands = band_names(settings), band_names(teacher.settings)
    student_head, teacher_head = (
        (each.model.head, each.model.head_channels or HeadSpec.hidden_channels, names)
        for each, names in zip((settings, teacher.settings), bands, strict=True)
    )
    with_head = student_head == teacher_head
    init_from_teacher(net, teacher.net, settings.distill.teacher_layers, bands=bands, with_head=with_head)


def distillation_loss_from_settings(
    settings: Settings, net: SegmentationNetwork, teacher: Predictor | None
) -> DistillationLoss | None:
    """Build the loss of a student; return None without a teacher, or if none of its parts has a weight."""
    distill = settings.distill
    if teacher is None or not (distill.alpha or distill.feature_weight):
        return None
    data, names = teacher.settings.dataloader, band_names(settings)
    positions = [names.index(band) for band in band_names(teacher.settings)]
    network = TeacherNetwork(teacher.net, data.given_mean or [], data.std, positions)
    matching = None
    if distill.feature_weight:
        student_size, teacher_size = ((each.feature_channels, each.patch_size) for each in (net, teacher.net))
        matching = FeatureMatchingLoss(student_size, teacher_size, 4 if distill.feature_blocks == "pyramid" else 1)
    soft_loss = soft_loss_from_settings(settings, teacher)
    return DistillationLoss(network, soft_loss, distill.alpha, matching, distill.feature_weight)


def soft_loss_from_settings(settings: Settings, teacher: Predictor) -> SoftLoss:
    """Return the distance between the outputs of student and teacher; for regression, in the student's scale."""
    task, teacher_task, distill = task_from_settings(settings), teacher.task, settings.distill
    if not (isinstance(task, Regression) and isinstance(teacher_task, Regression)):
        loss = soft_multilabel_loss if isinstance(task, MultiLabel) else soft_class_loss
        return partial(loss, temperature=distill.temperature)
    distance = partial(
        soft_regression_loss,
        to_natural=teacher_task.scale.to_natural,
        from_natural=task.scale.from_natural,
        smooth=distill.value_loss == "smooth_l1",
    )
    estimates = task.outputs.point_estimate, teacher_task.outputs.point_estimate

    def compare_estimates(student: torch.Tensor, target: torch.Tensor, observed: torch.Tensor) -> torch.Tensor:
        return distance(estimates[0](student)[:, None], estimates[1](target)[:, None], observed)

    return compare_estimates
