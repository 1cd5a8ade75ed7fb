"""Networks on Prithvi encoders, their training, scoring and inference."""

from typing import TYPE_CHECKING

from instageo.extras import lazy_attributes

if TYPE_CHECKING:
    from instageo.model.augmentations.pipeline import process_and_augment
    from instageo.model.backbones.prithvi import build_encoder
    from instageo.model.metrics.torchmetrics_adapter import MultiLabelMetric, RegressionMetric, SegmentationMetric
    from instageo.model.networks.segmenter import build_network

__all__ = [
    "MultiLabelMetric",
    "RegressionMetric",
    "SegmentationMetric",
    "build_encoder",
    "build_network",
    "process_and_augment",
]

_MODULES = {
    "MultiLabelMetric": "metrics.torchmetrics_adapter",
    "RegressionMetric": "metrics.torchmetrics_adapter",
    "SegmentationMetric": "metrics.torchmetrics_adapter",
    "build_encoder": "backbones.prithvi",
    "build_network": "networks.segmenter",
    "process_and_augment": "augmentations.pipeline",
}
"""Module of each public name; it is imported on first use, so that the command line starts fast."""

__getattr__, __dir__ = lazy_attributes(__name__, _MODULES, "model,cpu")
