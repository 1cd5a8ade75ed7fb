"""InstaGeo: fine-tune Prithvi geospatial foundation models on satellite chips and turn imagery into maps."""

from typing import TYPE_CHECKING

from instageo.extras import lazy_attributes
from instageo.version import __version__

if TYPE_CHECKING:
    from instageo.area_maps.map_area import map_area
    from instageo.errors import InstaGeoError
    from instageo.model.dataset.datamodule import ChipDataModule
    from instageo.model.dataset.table_dataset import ChipDataset
    from instageo.model.inference.predictor import Predictor
    from instageo.model.map_jobs.trained_model import TrainedModel, load_model
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
    "TrainedModel",
    "__version__",
    "build_encoder",
    "build_network",
    "list_models",
    "load_model",
    "map_area",
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
    "TrainedModel": "model.map_jobs.trained_model",
    "build_encoder": "model.networks.pretrained",
    "build_network": "model.networks.pretrained",
    "list_models": "model.networks.pretrained",
    "load_model": "model.map_jobs.trained_model",
    "map_area": "area_maps.map_area",
    "save_model": "model.training.save_model",
}
"""Module of each public name; it is imported on first use, so that `import instageo` does not import PyTorch."""

__getattr__, __dir__ = lazy_attributes(__name__, _MODULES, "model,cpu")
