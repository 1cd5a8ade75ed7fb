"""Figures of a report: histograms of the bands, and a map of where chips lie."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from instageo.data.chip_facts.facts import ImageFacts
from instageo.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, BINS, DPI = 3, 60, 110

VERDICT_COLOURS: Mapping[str, str] = {"no finding": "#4c9f70", "warn": "#e8a33d", "drop": "#c8352b"}
"""Colour of a chip on the map by the worst verdict on it."""


def draw_histograms(path: Path, images: Sequence[ImageFacts]) -> bool:
    """Draw how often values occur in each band, from a regular sample of pixels of each chip.

    Returns:
        False, without a file, if no chip has a valid pixel.
    """
    widths = [len(image.bands) for image in images]
    if not widths:
        return False
    num_bands = max(set(widths), key=widths.count)
    usual = [image for image in images if len(image.bands) == num_bands]
    samples = np.concatenate([image.samples for image in usual], axis=1)
    if not np.isfinite(samples).any():
        return False
    rows = -(-num_bands // COLUMNS)
    with _figure(path, 3.4 * COLUMNS, 2.2 * rows) as figure:
        axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axis in axes[num_bands:]:
            axis.set_axis_off()
        for number, (axis, values) in enumerate(zip(axes, samples, strict=False)):
            finite = values[np.isfinite(values)]
            limits = np.percentile(finite, (0.1, 99.9)) if len(finite) else (0, 1)
            axis.hist(finite, bins=BINS, range=(limits[0], max(limits[1], limits[0] + 1e-6)), color="#3b6ea5")
            axis.set_title(usual[0].bands[number] or f"band {number + 1}", fontsize=9, parse_math=False)
            axis.set_yticks([])
            axis.tick_params(labelsize=7)
    return True


def draw_map(path: Path, centers: Mapping[int, tuple[float, float]], verdicts: Mapping[int, str]) -> bool:
    """Draw the centres of the chips in longitude and latitude, in the colour of the worst verdict on each.

    Args:
        path: Output file.
        centers: Longitude and latitude of the centre of each georeferenced chip, by number of its row.
        verdicts: Worst verdict by number of the row; chips without one have no finding.

    Returns:
        False, without a file, if no chip is georeferenced.
    """
    if not centers:
        return False
    with _figure(path, 7, 5) as figure:
        axis = figure.subplots()
        for verdict, colour in VERDICT_COLOURS.items():
            own = np.array(
                [center for number, center in centers.items() if verdicts.get(number, "no finding") == verdict]
            )
            if len(own):
                axis.scatter(own[:, 0], own[:, 1], s=12, color=colour, label=f"{verdict} ({len(own)})", alpha=0.8)
        latitude = float(np.mean([latitude for _, latitude in centers.values()]))
        axis.set_aspect(1 / max(np.cos(np.radians(latitude)), 0.05), adjustable="box")
        axis.set_xlabel("longitude, degrees", fontsize=8)
        axis.set_ylabel("latitude, degrees", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.ticklabel_format(useOffset=False)
        figure.legend(fontsize=8, loc="outside lower center", ncols=len(VERDICT_COLOURS), frameon=False)
        axis.grid(color="#dddddd", linewidth=0.5)
        axis.set_axisbelow(True)
    return True


@contextmanager
def _figure(path: Path, width: float, height: float) -> Iterator["Figure"]:
    """Yield an empty figure, which is written as PNG at the end; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    yield figure
    with atomic_path(path, sync=False) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in scripts that the font lacks
        figure.savefig(temporary, format="png", dpi=DPI)
