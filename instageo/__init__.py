"""InstaGeo: fine-tune Prithvi geospatial foundation models on satellite chips and turn imagery into maps."""

from typing import TYPE_CHECKING

from instageo.version import __version__

if TYPE_CHECKING:
    from instageo.model.inference.predictor import Predictor, load_model

__all__ = ["Predictor", "__version__", "load_model"]


def __getattr__(name: str) -> object:
    """Import PyTorch only when a model is asked for, so that the command line starts fast."""
    if name in ("Predictor", "load_model"):
        from instageo.model.inference import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
