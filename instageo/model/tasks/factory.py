"""The task that settings describe."""

from instageo.errors import ConfigError
from instageo.model.losses.factory import loss_terms_from_settings
from instageo.model.losses.regression import QUANTILES
from instageo.model.settings import AUTO, LabelKind, Settings
from instageo.model.settings.resolve import class_names
from instageo.model.tasks.base import Task
from instageo.model.tasks.multilabel import MultiLabel
from instageo.model.tasks.regression import Regression, RegressionOutputs
from instageo.model.tasks.segmentation import Segmentation
from instageo.model.tasks.target_scale import TargetScale


def task_from_settings(settings: Settings) -> Task:
    """The task of a run or of a checkpoint; labels' mean and deviation must be known."""
    model, ignored = settings.model, settings.train.ignore_index
    kind = settings.dataloader.label_kind
    if settings.is_reg_task:
        expected = (model.expected_error[0], model.expected_error[1]) if model.include_ee_metric else None
        image_level = kind is LabelKind.chip
        return Regression(
            target_scale_from_settings(settings), _outputs(settings), expected, model.plot_reg_results, image_level
        )
    names = tuple(class_names(settings))
    if kind is LabelKind.chip_multi:
        return MultiLabel(names, ignored)
    return Segmentation(names, model.class_colors, ignored, kind is LabelKind.chip)


def target_scale_from_settings(settings: Settings) -> TargetScale:
    """The scale in which the network gives values.

    Raises:
        ConfigError: Mean and deviation of the labels are still to be measured.
    """
    data = settings.dataloader
    if AUTO in (data.label_mean, data.label_std):
        raise ConfigError("dataloader.label_mean=auto is for mode=train; leave it out, the checkpoint knows it")
    return TargetScale(float(data.label_mean), float(data.label_std), settings.model.use_log_scale)


def _outputs(settings: Settings) -> RegressionOutputs:
    terms = {term.name: term.parameters for term in loss_terms_from_settings(settings)}
    if "quantile" in terms:
        return RegressionOutputs(levels=tuple(terms["quantile"].get("quantiles", QUANTILES)))
    return RegressionOutputs(gaussian="gaussian_nll" in terms)
