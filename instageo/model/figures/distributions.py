"""Draw distributions of band values and class counts."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.model.figures.canvas import new_figure, save_figure


def draw_distributions(
    values: Mapping[str, NDArray[np.float32]],
    classes: Mapping[str, int],
    path: Path,
    *,
    counted: str = "labelled pixels",
) -> None:
    """Draw the distribution of each band's values and, if there are classes, the number of pixels or chips of each.

    Args:
        values: Sampled pixels, by band.
        classes: Labelled pixels, or chips, by class; empty without classes.
        path: The PNG.
        counted: Unit of the counts, `labelled pixels` or `chips`.
    """
    figure = new_figure(11 if classes else 7, max(4.0, 0.22 * len(classes)))
    panels = figure.subplots(1, 2 if classes else 1, squeeze=False)[0]
    pooled = np.concatenate(list(values.values()))
    low, high = (float(edge) for edge in np.percentile(pooled, [0.1, 99.9]))
    edges = np.linspace(low, high if high > low else low + 1, 101)
    for name, band in values.items():
        panels[0].hist(band, edges, histtype="step", density=True, label=name)
    panels[0].set(xlabel="value, in the unit of mean and std", ylabel="density of valid pixels")
    panels[0].legend(fontsize=8, ncols=1 + len(values) // 8)
    if classes:
        bars = panels[1].barh(list(classes), list(classes.values()))
        total = max(sum(classes.values()), 1)
        panels[1].bar_label(bars, [f"{count / total:.1%}" for count in classes.values()], fontsize=8, padding=2)
        panels[1].set(xlabel=counted)
        panels[1].margins(x=0.15)
        panels[1].invert_yaxis()
    save_figure(figure, path, dpi=120)
