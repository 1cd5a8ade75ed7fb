"""`mode=stats`: exact mean, standard deviation and class weights of a training table."""

import json
import logging
import sys
from dataclasses import replace
from typing import Any

from instageo.errors import DataError
from instageo.files import write_text
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.context import Run
from instageo.model.figures.distributions import draw_distributions
from instageo.model.inspection.class_weights import WEIGHTINGS, compute_class_weights
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.statistics import sample_pixels
from instageo.model.inspection.tables import inspect_table
from instageo.model.settings import LabelKind, Settings, require_settings
from instageo.model.settings.derived import band_names, class_names
from instageo.model.settings.resolve import resolve

log = logging.getLogger(__name__)


def stats(run: Run) -> None:
    """Print one line of JSON on stdout: mean, std, class_weights, class_counts, valid_fraction and more.

    Mean and std are those of valid pixels of whole chips, per band over all dates, in the unit of the chips after
    `dataloader.constant_multiplier`. The same line is written to `stats.json`; `stats.png` shows the distributions.
    """
    require_settings(run.settings, "root_dir", "train_filepath")
    run = replace(run, settings=resolve(run.settings, run.explicit, normalized=False))
    report = inspect_table(run, "train_filepath", values=True)
    result = compute_stats(run.settings, report)
    line = json.dumps(result)
    write_text(run.folder / "stats.json", line + "\n")
    _draw_distributions(run, report)
    sys.stdout.write(line + "\n")


def _draw_distributions(run: Run, report: TableReport) -> None:
    path, names = run.folder / "stats.png", band_names(run.settings)
    values = dict(zip(names, sample_pixels(report.rows, chip_format_from_settings(run.settings)), strict=True))
    classes = {} if run.settings.is_reg_task else dict(zip(class_names(run.settings), report.class_counts, strict=True))
    counted = "labelled pixels" if run.settings.dataloader.label_kind is LabelKind.raster else "labels of chips"
    draw_distributions(values, classes, path, counted=counted)
    log.info("distributions: %s", path)


def compute_stats(settings: Settings, report: TableReport) -> dict[str, Any]:
    """Compute the content of the line of JSON.

    Raises:
        DataError: No chip has a valid pixel, or one value would decide mean and std by itself.
    """
    bands = report.band_moments
    if not bands.count:
        raise DataError(f"{settings.train_filepath}: no valid pixel in any chip; check dataloader.no_data_value")
    report.check_extremes(band_names(settings))
    result: dict[str, Any] = {"mean": bands.mean.tolist(), "std": bands.std.tolist()}
    if settings.is_reg_task:
        labels = report.label_moments
        result |= {"label_min": float(labels.low[0]), "label_max": float(labels.high[0])}
        result |= {"label_mean": float(labels.mean[0]), "label_std": float(labels.std[0]), "label_count": labels.count}
        if settings.model.use_log_scale:
            result |= {"label_log_mean": float(labels.mean[1]), "label_log_std": float(labels.std[1])}
    else:
        counts = report.class_counts
        result |= {"class_weights": compute_class_weights(counts)}
        result |= {
            f"class_weights_{name}": compute_class_weights(counts, name) for name in WEIGHTINGS if name != "inverse"
        }
        result |= {"class_counts": counts}
    return result | {"valid_fraction": bands.count / bands.pixels}
