"""Read label files that may have several layers, colours instead of classes, or scale tags."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError, LayerError
from instageo.model.chips.scale_tags import UNTAGGED, describe_tags
from instageo.raster.grid import Raster, RasterInfo, Window
from instageo.raster.reading import OpenRaster, open_raster
from instageo.wording import counted

ONE_HOT = "one_hot"
"""Value of `dataloader.label_layer` for labels with one layer per class."""

MAX_SHOWN = 8
"""Colours that a message lists at most."""

MAX_ONE_HOT = 256
"""Layers that a label with one layer per class may have, so that it is recognised."""


@dataclass(frozen=True)
class LabelLayers:
    """Which layer of a label file holds the labels.

    Attributes:
        layer: 0-based layer, or `one_hot` for one layer per class; None for the only one.
        colors: Colour of each value from 0, as red, green, blue; empty if the file holds values.
        scale_tags: `auto` refuses scale and offset tags, `apply` applies them, `ignore` reads values as stored.
    """

    layer: int | str | None = None
    colors: tuple[tuple[int, int, int], ...] = ()
    scale_tags: str = "auto"


ONLY_LAYER = LabelLayers()
"""Files with one layer of labels."""


def read_label_layer(path: str | Path, rules: LabelLayers, window: Window | None = None) -> Raster:
    """Read a label file, or a window of it, as one layer.

    Raises:
        RasterError: The file is missing or unreadable.
        LayerError: It has several layers and nothing says which one holds the labels, or it has scale tags.
        DataError: It has a colour that is not listed, or a pixel with several classes.
    """
    with open_raster(path) as file:
        return read_open_label(file, rules, window)


def read_open_label(file: OpenRaster, rules: LabelLayers, window: Window | None = None) -> Raster:
    """Read an open label file, or a window of it, as one layer; see `read_label_layer`."""
    info, path = file.info, str(file.path)
    own = info.data_layers
    if rules.colors:
        return _colors_to_values(file.read(own, window=window), rules, path)
    if rules.layer == ONE_HOT:
        return _one_hot_to_values(file.read(own, window=window), path)
    layer = _choose_layer(file, own, rules, path)
    return _apply_tags(file.read([layer], window=window), info, layer, rules, path)


def _choose_layer(file: OpenRaster, own: list[int], rules: LabelLayers, path: str) -> int:
    count = file.info.num_layers
    if isinstance(rules.layer, int):
        if rules.layer >= count:
            raise LayerError(
                f"{path}: has {counted(count, 'layer')}, but dataloader.label_layer={rules.layer} (counted from 0)",
                "correct dataloader.label_layer",
            )
        return rules.layer
    if len(own) > 1:
        raise LayerError(
            f"{path}: has {len(own)} layers, but a label has one",
            f"name the layer that holds the labels with dataloader.label_layer=0 to {len(own) - 1}"
            + _hint_content(file, own),
        )
    return own[0]


def _hint_content(file: OpenRaster, own: list[int]) -> str:
    """Return what a label with several layers looks like: one layer per class, or colours."""
    if len(own) <= MAX_ONE_HOT:
        values = file.read(own).values
        if ((values != 0).sum(axis=0) == 1).all():
            return (
                "; in each pixel exactly one layer is not 0: dataloader.label_layer=one_hot reads the number of that "
                "layer as the class"
            )
        if len(own) == 3 and values.dtype == np.uint8:
            colors = ", ".join(_hex(color) for color in _unique_colors(values)[:MAX_SHOWN])
            return f"; or list the colours of the classes in dataloader.label_colors; it has {colors}"
    return ""


def _colors_to_values(raster: Raster, rules: LabelLayers, path: str) -> Raster:
    """Return the position of each pixel's colour in the list of colours."""
    if len(raster.values) != 3:
        raise LayerError(
            f"{path}: has {counted(len(raster.values), 'layer')}, but dataloader.label_colors needs red, green, blue",
            "remove dataloader.label_colors for labels that hold class numbers",
        )
    valid: NDArray[np.bool_] = np.all(raster.valid, axis=0)
    codes = _color_codes(raster.values)
    listed = np.array([_color_codes(np.array(color)) for color in rules.colors])
    order = np.argsort(listed)
    positions = np.minimum(np.searchsorted(listed[order], codes), len(listed) - 1)
    unknown = np.unique(codes[(listed[order][positions] != codes) & valid])
    if unknown.size:
        shown = ", ".join(f"#{code:06x}" for code in unknown[:MAX_SHOWN].tolist())
        raise DataError(
            f"{path}: has the colours {shown}, which dataloader.label_colors does not list; add them, in the order of "
            "the classes"
        )
    return _single(raster, order[positions].astype(np.int32), valid)


def _color_codes(values: NDArray[np.generic]) -> NDArray[np.int64]:
    red, green, blue = values.astype(np.int64)
    codes: NDArray[np.int64] = (red << 16) + (green << 8) + blue
    return codes


def _unique_colors(values: NDArray[np.generic]) -> list[int]:
    colors: list[int] = np.unique(_color_codes(values)).tolist()
    return colors


def _hex(code: int) -> str:
    return f"#{code:06x}"


def _one_hot_to_values(raster: Raster, path: str) -> Raster:
    """Return the number of the one layer that is not 0; pixels without any have no label."""
    chosen = (raster.values != 0) & raster.valid
    count = chosen.sum(axis=0)
    if (count > 1).any():
        raise DataError(
            f"{path}: {int((count > 1).sum())} pixels have more than one layer that is not 0; "
            "dataloader.label_layer=one_hot needs one class per pixel"
        )
    return _single(raster, chosen.argmax(axis=0).astype(np.int32), count == 1)


def _apply_tags(raster: Raster, info: RasterInfo, layer: int, rules: LabelLayers, path: str) -> Raster:
    tag = info.scales[layer], info.offsets[layer]
    if tag == UNTAGGED or rules.scale_tags == "ignore":
        return raster
    if rules.scale_tags == "auto":
        raise LayerError(
            f"{path}: its labels have the tags {describe_tags([tag])}",
            "dataloader.scale_tags=apply reads labels as scale x value + offset, dataloader.scale_tags=ignore reads "
            "them as stored",
        )
    values = (raster.values.astype(np.float64) * tag[0] + tag[1]).astype(np.float32)
    return replace(raster, values=values)


def _single(raster: Raster, values: NDArray[np.int32], valid: NDArray[np.bool_]) -> Raster:
    return Raster(values[None], valid[None], raster.grid, ("",), raster.tags)
