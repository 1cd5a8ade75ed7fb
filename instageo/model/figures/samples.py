"""Draw training samples before and after augmentation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from instageo.model.chips.sample import Sample
from instageo.model.figures.canvas import new_figure, save_figure
from instageo.model.figures.colors import IGNORED_COLOR, MISSING_COLOR
from instageo.model.figures.rgb import Color, percentile_limits, rgb_image, select_rgb, stretch_percentiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PANEL = 2.6
"""Side of a panel in inches."""

LINE_LENGTH = 44
"""Characters that fit next to a panel."""


@dataclass(frozen=True)
class SampleStyle:
    """How samples are drawn.

    Attributes:
        bands: Names of the bands.
        classes: Names of the classes.
        colors: Red, green and blue of each class, 0..255.
        ignore_index: Label value that is ignored.
        std: Standard deviation of each band, which images were divided by, so that bands can be compared; empty if
            they were not.
    """

    bands: tuple[str, ...]
    classes: tuple[str, ...]
    colors: tuple[Color, ...]
    ignore_index: int
    std: tuple[float, ...] = ()


@dataclass(frozen=True)
class SamplePair:
    """One sample before and after augmentation, not batched, in any unit.

    Attributes:
        title: Its label in the figure.
        before: As read.
        after: As augmented.
    """

    title: str
    before: Sample
    after: Sample


def draw_samples(pairs: Sequence[SamplePair], style: SampleStyle, path: Path) -> None:
    """Draw image and label before and after, one row per sample; of several dates the first with observations.

    Samples with image-level labels have panels only for images.
    """
    multitemporal, labelled = len(pairs[0].before.valid) > 1, pairs[0].before.pixel_label is not None
    kinds = ("image", "label") if labelled else ("image",)
    titles = [f"{kind} {when}" for when in ("before", "after") for kind in kinds]
    figure = new_figure(len(titles) * PANEL + 0.5, len(pairs) * (PANEL + 0.3 * multitemporal) + 1.1)
    panels = figure.subplots(len(pairs), len(titles), squeeze=False)
    for pair, row in zip(pairs, panels, strict=True):
        _draw_row(pair, style, row)
    for panel, title in zip(panels[0], titles, strict=True):
        panel.set_title(f"{title}\n{panel.get_title()}".strip(), fontsize=10)
    _, names = select_rgb(pairs[0].before.image[:, 0].numpy(), style.bands)
    bands = ", ".join(dict.fromkeys(names))
    figure.suptitle(f"{bands}, 2nd to 98th percentile before augmentation", fontsize=10)
    _legend(figure, style, labelled=labelled)
    save_figure(figure, path, dpi=100)


def _draw_row(pair: SamplePair, style: SampleStyle, row: Sequence["Axes"]) -> None:
    half = len(row) // 2
    before, after = (_in_equal_units(sample, style) for sample in (pair.before, pair.after))
    for (image, *labels), sample in ((row[:half], before), (row[half:], after)):
        date, dates = first_date(sample), len(sample.valid)
        image.imshow(color_image(sample, before, date, style.bands), interpolation="nearest")
        if dates > 1:
            image.set_title(f"date {date + 1} of {dates}", fontsize=9)
        for panel in labels:
            panel.imshow(color_label(sample, style), interpolation="nearest")
    for panel in row:
        panel.set(xticks=[], yticks=[])
    lines = [part for line in pair.title.splitlines() for part in wrap(line, LINE_LENGTH)]
    row[0].set_ylabel("\n".join(lines), fontsize=8)


def _in_equal_units(sample: Sample, style: SampleStyle) -> Sample:
    """Return a sample whose bands have the unit of the data, apart from an offset of each."""
    if not style.std:
        return sample
    return replace(sample, image=sample.image * torch.tensor(style.std)[:, None, None, None])


def first_date(sample: Sample) -> int:
    """Return the index of the first date with a valid pixel; 0 if no date has one."""
    return int(sample.valid.flatten(1).any(1).int().argmax())


def color_image(sample: Sample, before: Sample, date: int, bands: Sequence[str]) -> NDArray[np.uint8]:
    """Return one date as red, green and blue, shape (H, W, 3); see `select_rgb`.

    Each is stretched between the 2nd and 98th percentile of the valid pixels of `before`, so that changes of
    brightness show.
    """
    (reference, _), valid = select_rgb(before.image[:, date].numpy(), bands), before.valid[date].numpy()
    limits = [percentile_limits(layer, valid) for layer in reference]
    layers, _ = select_rgb(sample.image[:, date].numpy(), bands)
    return rgb_image(layers, sample.valid[date].numpy(), limits=limits, no_data=MISSING_COLOR)


def color_label(sample: Sample, style: SampleStyle) -> NDArray[np.uint8]:
    """Return classes in their colours, or values from dark to bright, (H, W, 3); of one colour without pixel labels."""
    if sample.pixel_label is None:
        return np.full((*sample.valid.shape[1:], 3), IGNORED_COLOR, dtype=np.uint8)
    label = sample.pixel_label.numpy()
    if label.dtype.kind == "f":
        return _color_values(label)
    table = np.array([*style.colors, IGNORED_COLOR], dtype=np.uint8)
    return table[np.where(label == style.ignore_index, len(style.colors), label)]


def _color_values(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    from matplotlib import colormaps

    valid = np.isfinite(values)
    colors = colormaps["viridis"](stretch_percentiles(values, valid))[..., :3] * 255
    return np.where(valid[..., None], colors, IGNORED_COLOR).astype(np.uint8)


def _legend(figure: "Figure", style: SampleStyle, *, labelled: bool) -> None:
    from matplotlib.patches import Patch

    names, colors = ["no data (images)"], [MISSING_COLOR]
    if labelled:
        names, colors = [*style.classes, "ignored (labels)", *names], [*style.colors, IGNORED_COLOR, *colors]
    patches = [
        Patch(facecolor=(red / 255, green / 255, blue / 255), edgecolor="gray", linewidth=0.5, label=name)
        for name, (red, green, blue) in zip(names, colors, strict=True)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(6, len(patches)), frameon=False, fontsize=9)
