"""Compute a network with PyTorch."""

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from instageo.model.backends.backend import BackendChoice, ChipBatch, NetworkSource

DTYPES = {"f32": None, "bf16": torch.bfloat16}
"""Format of matrix products and convolutions by precision; None for that of the weights."""


class TorchBackend:
    """A network as PyTorch computes it.

    On a GPU its weights are laid out with channels last, as half-precision convolutions read them.

    Args:
        net: The network, in evaluation mode.
        precision: `f32` or `bf16`.
        device: Device of the network.
    """

    def __init__(self, net: nn.Module, precision: str, device: torch.device) -> None:
        self.choice, self.device = BackendChoice("torch", precision), device
        self.size: tuple[int, int] | None = None
        if device.type == "cuda" and precision == "bf16":
            put_channels_last(net)
        self.net = net
        self._dtype = DTYPES[precision]

    @property
    def stamp(self) -> str:
        """Runtime and format; the version is part of every fingerprint."""
        return str(self.choice)

    def __call__(self, image: Tensor, time: Tensor | None, location: Tensor | None) -> Tensor:
        """Return outputs (B, K, h, w), float32, on the network's device."""
        autocast = torch.autocast(self.device.type, self._dtype) if self._dtype else nullcontext()
        with torch.inference_mode(), autocast:
            outputs: Tensor = self.net(image, time, location)
        return outputs.float()


def put_channels_last(net: nn.Module) -> None:
    """Lay out the weights of 2-D convolutions with channels last; other weights have no such layout."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)


def build_torch(network: NetworkSource, precision: str, tiles: ChipBatch | None) -> TorchBackend:  # noqa: ARG001
    """Return the network as PyTorch computes it."""
    return TorchBackend(network.net, precision, network.device)
