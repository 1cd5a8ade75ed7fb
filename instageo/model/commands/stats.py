"""`mode=stats`: mean, standard deviation and class weights of a training table, exact."""

import json
import logging
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError
from instageo.model.assemble import checked_table, chip_format
from instageo.model.check import TableReport
from instageo.model.decoding import Chip, read_chip
from instageo.model.layout import complete
from instageo.model.settings import Run, Settings, require
from instageo.progress import track

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of valid pixels, all float64; mergeable.

    Attributes:
        count: Valid pixels (over all dates).
        mean: Shape (C,).
        deviations: Shape (C,), sum of (value - mean)^2.
        pixels: All pixels, valid or not.
    """

    count: int
    mean: NDArray[np.float64]
    deviations: NDArray[np.float64]
    pixels: int

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation over all pixels, shape (C,)."""
        return np.sqrt(self.deviations / self.count)


def moments(chip: Chip) -> Moments:
    """Moments of one chip's valid pixels."""
    values = chip.image[:, chip.valid].astype(np.float64)
    count = values.shape[1]
    mean = values.mean(axis=1) if count else np.zeros(len(values))
    deviations = ((values - mean[:, None]) ** 2).sum(axis=1)
    return Moments(count, mean, deviations, chip.valid.size)


def merge(first: Moments, second: Moments) -> Moments:
    """Moments of both sets together (Chan, Golub and LeVeque 1979)."""
    count = first.count + second.count
    pixels = first.pixels + second.pixels
    if count == 0:
        return replace(first, pixels=pixels)
    step = second.mean - first.mean
    mean = first.mean + step * (second.count / count)
    deviations = first.deviations + second.deviations + step**2 * (first.count * second.count / count)
    return Moments(count, mean, deviations, pixels)


def class_weights(counts: Iterable[int]) -> list[float]:
    """Weights inversely proportional to class frequency: total / (classes x count), 0 for a class without pixels.

    Args:
        counts: Labelled pixels per class.
    """
    values = np.asarray(list(counts), dtype=np.float64)
    weights = np.divide(values.sum(), len(values) * values, out=np.zeros_like(values), where=values > 0)
    return [float(weight) for weight in weights]


def stats(run: Run) -> None:
    """Print one line of JSON on stdout: mean, std, class_weights, class_counts, valid_fraction.

    Mean and std are those of valid pixels of whole chips, per band over all dates, in the unit of the chips after
    `dataloader.constant_multiplier`. The same line is written to `stats.json`.
    """
    require(run.settings, "root_dir", "train_filepath")
    settings = complete(run.settings, run.explicit, statistics=False)
    report = checked_table(settings, "train_filepath")
    total = total_moments(report, settings)
    if total.count == 0:
        raise DataError(f"{settings.train_filepath}: no valid pixel in any chip; check dataloader.no_data_value")
    result = {
        "mean": total.mean.tolist(),
        "std": total.std.tolist(),
        "class_weights": class_weights(report.class_counts),
        "class_counts": report.class_counts,
        "valid_fraction": total.count / total.pixels,
    }
    line = json.dumps(result)
    (run.folder / "stats.json").write_text(line + "\n", encoding="utf-8")
    sys.stdout.write(line + "\n")


def total_moments(report: TableReport, settings: Settings) -> Moments:
    """Moments over all chips of a table, read in parallel, merged in the table's order."""
    form = chip_format(settings)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = pool.map(lambda row: moments(read_chip(row.input, form)), report.rows)
        return reduce(merge, track(parts, "statistics", len(report.rows)))
