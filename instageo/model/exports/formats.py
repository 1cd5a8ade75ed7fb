"""The formats of exports by name; to add one, write its module and add an entry to `EXPORT_FORMATS`.

This module does not import PyTorch, so that a wrong format is noticed before seconds are spent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from instageo.errors import ConfigError, did_you_mean
from instageo.model.graphs.opsets import OLD_OPSET, OPSETS

if TYPE_CHECKING:
    from instageo.model.exports.export_format import ExportFormat


@dataclass(frozen=True)
class FormatChoice:
    """What can be asked of a format.

    Attributes:
        module: Module of this package whose `FORMAT` writes it.
        precisions: Number formats that it can be written in.
        opsets: Operator sets of ONNX that it can be written in; empty for other formats.
    """

    module: str
    precisions: Sequence[str] = ("f32",)
    opsets: Sequence[int] = ()


EXPORT_FORMATS = {
    "onnx": FormatChoice("onnx_format", opsets=OPSETS),
    "openvino": FormatChoice("openvino_format", precisions=("f32", "int8")),
    "pt2": FormatChoice("pt2_format"),
    "deepness": FormatChoice("deepness_format", opsets=(OLD_OPSET,)),
}
"""Formats by name."""


def check_format(name: str, precision: str, opset: int | None) -> None:
    """Refuse a format that does not exist, or not in a precision or operator set; None is its own operator set.

    Raises:
        ConfigError: It does not.
    """
    if not isinstance(name, str) or name not in EXPORT_FORMATS:
        hint = did_you_mean(str(name), EXPORT_FORMATS)
        raise ConfigError(f"format={name} is unknown; choose one of {', '.join(EXPORT_FORMATS)}{hint}")
    chosen = EXPORT_FORMATS[name]
    if precision not in chosen.precisions:
        able = [other for other, entry in EXPORT_FORMATS.items() if precision in entry.precisions]
        raise ConfigError(
            f"precision={precision} is not possible with format={name}; choose format={' or '.join(able)}"
        )
    if opset is None or opset in chosen.opsets:
        return
    if not chosen.opsets:
        raise ConfigError(f"opset={opset} does not work: format={name} has no operator sets of ONNX; remove opset")
    first, last = chosen.opsets[0], chosen.opsets[-1]
    expected = f"{first} to {last}" if last > first else f"{first} with format={name}"
    raise ConfigError(f"opset={opset} does not work; expected {expected}")


def load_format(name: str) -> "ExportFormat":
    """Return what writes and loads a format."""
    module = import_module(f"instageo.model.exports.{EXPORT_FORMATS[name].module}")
    chosen: ExportFormat = module.FORMAT
    return chosen
