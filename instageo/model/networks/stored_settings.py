"""Check what a checkpoint stores besides tensors before anything is built from it: a file may come from anyone."""

from collections.abc import Mapping

import torch
from torch import Tensor

from instageo.plain_values import MAX_VALUES, UnboundedTextError, count_values

MAX_TEXT = 10_000
"""Most characters of a text."""

INTERPOLATION = "${"
"""What OmegaConf replaces by other settings, environment variables or results of functions."""

BLOCKS = "prithvi_encoder.blocks."


def describe_unusable(stored: object) -> str | None:
    """Return what makes stored settings or scores unusable, as the end of a sentence; None if nothing does.

    They are plain values by name, within limits of size and depth, and without interpolations: only the user may
    have values taken from the environment.
    """
    if not isinstance(stored, Mapping) or not all(isinstance(key, str) for key in stored):
        return f"are a {type(stored).__name__}; expected values by name"
    try:
        if count_values(stored) > MAX_VALUES:
            return f"have more than {MAX_VALUES} values"
    except UnboundedTextError as error:
        return f"cannot be used: {error}"
    for key, value in stored.items():
        problem = _describe_unusable_value(value) or _describe_unusable_value(key)
        if problem:
            return f"cannot be used: {key[:80]} {problem}"
    return None


def _describe_unusable_value(value: object) -> str | None:
    if isinstance(value, Mapping):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        parts = list(value)
    elif isinstance(value, str):
        if len(value) > MAX_TEXT:
            return f"has a text of {len(value)} characters; expected at most {MAX_TEXT}"
        return f"has the interpolation {value[:80]}, which only the user may write" if INTERPOLATION in value else None
    elif value is None or isinstance(value, bool | int | float):
        return None
    else:
        return f"is a {type(value).__name__}; expected a number, text, a list or a mapping"
    return next(filter(None, map(_describe_unusable_value, parts)), None)


def describe_unusable_tensors(tensors: object) -> str | None:
    """Return what makes tensors unusable as weights, as the end of a sentence; None if nothing does."""
    if not isinstance(tensors, Mapping):
        return f"are a {type(tensors).__name__}; expected tensors by name"
    for key, value in tensors.items():
        if not isinstance(key, str):
            return f"have the key {key!r}, a {type(key).__name__}; expected text"
        if not isinstance(value, Tensor):
            return f"hold a {type(value).__name__} as {key}; expected a tensor"
        if value.layout is not torch.strided or value.is_quantized or value.is_complex() or value.is_meta:
            kind = "quantized" if value.is_quantized else str(value.dtype if value.is_complex() else value.layout)
            return f"hold {key} as {kind.removeprefix('torch.')} numbers; expected a dense tensor of real numbers"
    return None


def count_blocks(state: Mapping[str, Tensor]) -> int:
    """Return the number of blocks of the encoder that a file has weights of."""
    return len({key.removeprefix(BLOCKS).partition(".")[0] for key in state if key.startswith(BLOCKS)})
