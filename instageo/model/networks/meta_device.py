"""Build networks without values, whose names and shapes can be compared with those of a checkpoint."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


@contextmanager
def without_values() -> Iterator[None]:
    """Build networks on the meta device: they take no memory, however large their settings make them."""
    with torch.device("meta"), _WithoutInitialization():
        yield


FILLS = ("normal_", "uniform_", "trunc_normal_")
"""Methods of tensors with which functions of `torch.nn.init` that the mode does not see draw random values."""


class _WithoutInitialization(TorchFunctionMode):
    """Leaves out `torch.nn.init`, which on the meta device imports PyTorch's compiler and so takes seconds."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[Any],
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Any:
        named = named or {}
        if getattr(function, "__module__", None) == "torch.nn.init" or getattr(function, "__name__", None) in FILLS:
            return named["tensor"] if "tensor" in named else arguments[0]
        return function(*arguments, **named)
