"""Memory that conversions need."""

from instageo.errors import BackendUnavailableError
from instageo.model.backends.backend import NetworkSource
from instageo.runtime.memory import available_memory

WEIGHT_COPIES = 6
"""Copies of the weights while a network is traced, converted, written and compiled."""

RUNTIME_BYTES = 700 << 20
"""What the runtimes themselves take."""


def require_conversion_memory(network: NetworkSource) -> None:
    """Check that a network can be converted in the memory that is free.

    Raises:
        BackendUnavailableError: It cannot.
    """
    needed, free = WEIGHT_COPIES * network.num_bytes + RUNTIME_BYTES, available_memory()
    if free is not None and free < needed:
        raise BackendUnavailableError(
            f"converting the network needs about {needed / 1e9:.1f} GB of memory, but {free / 1e9:.1f} GB are free"
        )
