"""The task that settings describe."""

from instageo.errors import ConfigError
from instageo.model.assemble import loss_terms
from instageo.model.layout import class_names
from instageo.model.losses.values import QUANTILES
from instageo.model.scale import TargetScale
from instageo.model.settings import AUTO, LabelKind, Settings
from instageo.model.tasks.base import Task
from instageo.model.tasks.multilabel import MultiLabelTask
from instageo.model.tasks.regression import Outputs, RegressionTask
from instageo.model.tasks.segmentation import SegmentationTask


def task_of(settings: Settings) -> Task:
    """The task of a run or of a checkpoint; labels' mean and deviation must be known."""
    model, ignored = settings.model, settings.train.ignore_index
    kind = settings.dataloader.label_kind
    if settings.is_reg_task:
        expected = (model.expected_error[0], model.expected_error[1]) if model.include_ee_metric else None
        per_chip = kind is LabelKind.chip
        return RegressionTask(target_scale(settings), _outputs(settings), expected, model.plot_reg_results, per_chip)
    names = tuple(class_names(settings))
    if kind is LabelKind.chip_multi:
        return MultiLabelTask(names, ignored)
    return SegmentationTask(names, model.class_colors, ignored, kind is LabelKind.chip)


def target_scale(settings: Settings) -> TargetScale:
    """The scale in which the network gives values.

    Raises:
        ConfigError: Mean and deviation of the labels are still to be measured.
    """
    data = settings.dataloader
    if AUTO in (data.label_mean, data.label_std):
        raise ConfigError("dataloader.label_mean=auto is for mode=train; leave it out, the checkpoint knows it")
    return TargetScale(float(data.label_mean), float(data.label_std), settings.model.use_log_scale)


def _outputs(settings: Settings) -> Outputs:
    terms = {term.name: term.parameters for term in loss_terms(settings)}
    if "quantile" in terms:
        return Outputs(levels=tuple(terms["quantile"].get("quantiles", QUANTILES)))
    return Outputs(gaussian="gaussian_nll" in terms)
