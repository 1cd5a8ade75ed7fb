"""The formats of exports by name; to add one, write its module and add an entry to `EXPORT_FORMATS`."""

from instageo.errors import ConfigError, did_you_mean
from instageo.model.exports import deepness_format, onnx_format, openvino_format, pt2_format
from instageo.model.exports.export_format import ExportFormat

EXPORT_FORMATS = {
    "onnx": onnx_format.FORMAT,
    "openvino": openvino_format.FORMAT,
    "pt2": pt2_format.FORMAT,
    "deepness": deepness_format.FORMAT,
}
"""Formats by name."""


def find_format(name: str, precision: str) -> ExportFormat:
    """Return a format by name.

    Raises:
        ConfigError: It does not exist, or not in this precision.
    """
    if name not in EXPORT_FORMATS:
        raise ConfigError(
            f"format={name} is unknown; choose one of {', '.join(EXPORT_FORMATS)}{did_you_mean(name, EXPORT_FORMATS)}"
        )
    chosen = EXPORT_FORMATS[name]
    if precision not in chosen.precisions:
        able = [other for other, entry in EXPORT_FORMATS.items() if precision in entry.precisions]
        raise ConfigError(
            f"precision={precision} is not possible with format={name}; choose format={' or '.join(able)}"
        )
    return chosen
