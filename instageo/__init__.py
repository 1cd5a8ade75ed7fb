"""InstaGeo: fine-tune Prithvi geospatial foundation models on satellite chips and turn imagery into maps."""

from importlib import import_module
from typing import TYPE_CHECKING

from instageo.extras import required_by
from instageo.version import __version__

if TYPE_CHECKING:
    from instageo.errors import InstaGeoError
    from instageo.model.dataset.datamodule import ChipDataModule
    from instageo.model.dataset.table_dataset import ChipDataset
    from instageo.model.inference.predictor import Predictor, load_model
    from instageo.model.networks.pretrained import build_encoder, build_network, list_models
    from instageo.model.training.lightning_tasks import ClassificationTask, RegressionTask, SegmentationTask
    from instageo.model.training.save_model import save_model

__all__ = [
    "ChipDataModule",
    "ChipDataset",
    "ClassificationTask",
    "InstaGeoError",
    "Predictor",
    "RegressionTask",
    "SegmentationTask",
    "__version__",
    "build_encoder",
    "build_network",
    "list_models",
    "load_model",
    "save_model",
]

_MODULES = {
    "ChipDataModule": "model.dataset.datamodule",
    "ChipDataset": "model.dataset.table_dataset",
    "ClassificationTask": "model.training.lightning_tasks",
    "InstaGeoError": "errors",
    "Predictor": "model.inference.predictor",
    "RegressionTask": "model.training.lightning_tasks",
    "SegmentationTask": "model.training.lightning_tasks",
    "build_encoder": "model.networks.pretrained",
    "build_network": "model.networks.pretrained",
    "list_models": "model.networks.pretrained",
    "load_model": "model.inference.predictor",
    "save_model": "model.training.save_model",
}
"""Module of each public name; it is imported on first use, so that `import instageo` does not import PyTorch."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with required_by(f"{__name__}.{name}", "model,cpu"):
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
