"""What computes a network: a runtime and its number format."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from instageo.model.backends.int8_export import Int8Export
from instageo.model.graphs.program import InputShape

AUTO = "auto"
"""Backend or precision that is to be chosen."""

PRECISIONS = ("f32", "bf16", "int8")
"""Number formats in which networks are computed."""


class BackendChoice(NamedTuple):
    """A runtime and a number format; `auto` in a request leaves one of them open."""

    backend: str = AUTO
    precision: str = AUTO

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


TORCH = BackendChoice("torch", "f32")
"""What computes everything that no other backend does, and what the others are compared with."""


class ChipBatch(NamedTuple):
    """A batch as networks take it.

    Attributes:
        image: Shape (B, C, T, h, w), normalised, float32.
        time: Shape (B, T, 2), year and day of year; NaN where unknown.
        location: Shape (B, 2), latitude and longitude; NaN where unknown.
    """

    image: Tensor
    time: Tensor
    location: Tensor

    def head(self, count: int) -> "ChipBatch":
        """Return the first chips."""
        return ChipBatch(*(part[:count] for part in self))

    @property
    def shape(self) -> InputShape:
        """Shape of a chip."""
        return InputShape(*self.image.shape[1:])


@dataclass(frozen=True)
class NetworkSource:
    """A network to be computed, as backends take it.

    Attributes:
        net: The network, in evaluation mode.
        shape: Shape of most chips; those of others are computed by PyTorch.
        checksum: Of its weights and of what its outputs depend on.
        device: Device of the network.
        int8: Export that computes it in int8; None to quantise it on this machine.
    """

    net: nn.Module
    shape: InputShape
    checksum: str
    device: torch.device
    int8: Int8Export | None = None

    @property
    def num_bytes(self) -> int:
        """Memory of the weights."""
        return sum(part.numel() * part.element_size() for part in self.net.state_dict().values())


class Backend(Protocol):
    """Computes a network; several threads may call it at once.

    Attributes:
        choice: Runtime and number format.
        stamp: What outputs depend on besides network and chip: runtime, format, and version or content.
        size: Height and width of the chips that it computes itself; None for any.
    """

    @property
    def choice(self) -> BackendChoice:
        """Runtime and number format."""

    @property
    def stamp(self) -> str:
        """What outputs depend on besides the network."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the chips that it computes itself; None for any."""

    def __call__(self, image: Tensor, time: Tensor | None, location: Tensor | None, /) -> Tensor:
        """Return outputs (B, K, h, w), float32, for normalised images (B, C, T, h, w), float32; see `ChipBatch`."""
