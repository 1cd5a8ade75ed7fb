"""Networks on Prithvi encoders, their training, scoring and inference."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instageo.model.backbones.prithvi import build_encoder
    from instageo.model.networks.segmenter import build_network

__all__ = ["build_encoder", "build_network"]


def __getattr__(name: str) -> object:
    """Import PyTorch only when a network is asked for, so that the command line starts fast."""
    if name == "build_encoder":
        from instageo.model.backbones.prithvi import build_encoder

        return build_encoder
    if name == "build_network":
        from instageo.model.networks.segmenter import build_network

        return build_network
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
