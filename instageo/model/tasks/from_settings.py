"""From settings to a task."""

import math

from instageo.errors import ConfigError
from instageo.model.losses.from_settings import loss_terms_from_settings
from instageo.model.losses.regression import QUANTILES
from instageo.model.settings import AUTO, LabelKind, Settings
from instageo.model.settings.derived import class_names
from instageo.model.tasks.base import Task
from instageo.model.tasks.multilabel import MultiLabel
from instageo.model.tasks.regression import Regression, RegressionOutputs
from instageo.model.tasks.segmentation import Segmentation
from instageo.model.tasks.target_scale import TargetScale


def task_from_settings(settings: Settings) -> Task:
    """Build the task of a run or of a checkpoint; the labels' mean and deviation must be resolved."""
    model, ignore_index = settings.model, settings.train.ignore_index
    kind = settings.dataloader.label_kind
    if settings.is_reg_task:
        expected = (model.expected_error[0], model.expected_error[1]) if model.include_ee_metric else None
        image_level = kind is LabelKind.chip
        low, high = model.output_range or (None, None)
        return Regression(
            target_scale_from_settings(settings),
            _outputs(settings),
            expected,
            model.plot_reg_results,
            image_level,
            (-math.inf if low is None else float(low), math.inf if high is None else float(high)),
        )
    names = tuple(class_names(settings))
    if kind is LabelKind.chip_multi:
        return MultiLabel(names, ignore_index)
    return Segmentation(names, model.class_colors, ignore_index, kind is LabelKind.chip)


def target_scale_from_settings(settings: Settings) -> TargetScale:
    """Build the scale in which the network predicts values.

    Raises:
        ConfigError: Mean and deviation of the labels are still to be measured.
    """
    data = settings.dataloader
    if AUTO in (data.label_mean, data.label_std):
        raise ConfigError(
            "dataloader.label_mean=auto is for mode=train; remove dataloader.label_mean and dataloader.label_std, "
            "they are read from the checkpoint"
        )
    return TargetScale(float(data.label_mean), float(data.label_std), settings.model.use_log_scale)


def _outputs(settings: Settings) -> RegressionOutputs:
    """Describe the output channels that follow from the loss."""
    terms = {term.name: term.parameters for term in loss_terms_from_settings(settings)}
    if "quantile" in terms:
        return RegressionOutputs(levels=tuple(terms["quantile"].get("quantiles", QUANTILES)))
    return RegressionOutputs(gaussian="gaussian_nll" in terms)
