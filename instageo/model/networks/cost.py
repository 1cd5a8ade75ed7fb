"""Cost of a network: parameters, arithmetic and memory, counted on meta tensors, which hold no values."""

from dataclasses import dataclass
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from instageo.model.networks.base import NetworkSizes, SegmentationNetwork
from instageo.model.networks.meta_device import without_values
from instageo.model.networks.segmenter import build_network

ADAM_BYTES = 12
"""Bytes per parameter that are held throughout training in float32: the weight and the two moments of Adam."""


@dataclass(frozen=True)
class NetworkCost:
    """Cost of one chip through a network, in float32.

    Attributes:
        parameters: Number of parameters, head included.
        flops: Floating-point operations of a forward pass: two per multiply-add in matrix products, convolutions and
            attention, as PyTorch's own counter counts them; the rest is not counted.
        weight_bytes: Size of the weights.
        activation_bytes: Size of the tensors that a forward pass keeps for the backward pass.
    """

    parameters: int
    flops: int
    weight_bytes: int
    activation_bytes: int

    @property
    def training_bytes(self) -> int:
        """Peak of a training step: weights, moments of Adam, and the larger of activations and gradients."""
        return ADAM_BYTES * self.parameters + max(self.weight_bytes, self.activation_bytes)


def compute_network_cost(
    model_name: str,
    *,
    num_classes: int = 2,
    temporal_dim: int = 1,
    head: str | None = None,
    **sizes: Unpack[NetworkSizes],
) -> NetworkCost:
    """Count the cost of one square chip through a network of these sizes, see `build_network`.

    Nothing is computed and no memory is allocated.

    Raises:
        ConfigError: The network cannot be built.
    """
    with without_values():
        net = build_network(
            model_name,
            num_classes=num_classes,
            temporal_dim=temporal_dim,
            head=head,
            **sizes,
        ).train()
        img_size = sizes.get("img_size", 224)
        image = torch.empty(1, net.in_channels, temporal_dim, img_size, img_size)
    with FlopCounterMode(display=False) as counter:
        activation_bytes = _activation_bytes(net, image)
    parameters = list(net.parameters())
    return NetworkCost(
        parameters=sum(parameter.numel() for parameter in parameters),
        flops=counter.get_total_flops(),
        weight_bytes=sum(parameter.nbytes for parameter in parameters),
        activation_bytes=activation_bytes,
    )


def count_forward_flops(net: nn.Module, image: Tensor) -> int:
    """Count the floating-point operations of a forward pass, as in `NetworkCost`.

    Args:
        net: Network on the device of the image; on `meta` nothing is computed.
        image: Shape (B, C, T, H, W); its values do not matter.
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(image)
    return int(counter.get_total_flops())


def _activation_bytes(net: SegmentationNetwork, image: Tensor) -> int:
    """Count the bytes that a forward pass saves for the backward pass, without parameters and buffers."""
    own = {tensor.untyped_storage()._cdata for tensor in (*net.parameters(), *net.buffers())}
    saved: dict[int, torch.UntypedStorage] = {}

    def record(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            saved[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        net(image)
    return sum(storage.nbytes() for storage in saved.values())
