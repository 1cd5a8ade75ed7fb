"""`mode=stats`: mean, standard deviation and class weights of a training table, exact."""

import json
import logging
import sys
from dataclasses import replace
from typing import Any

from instageo.errors import DataError
from instageo.model.assemble import chip_format
from instageo.model.check import TableReport
from instageo.model.class_weights import WEIGHTINGS, class_weights
from instageo.model.distributions import sampled_values
from instageo.model.figures import distribution_figure
from instageo.model.layout import band_names, class_names, complete
from instageo.model.settings import LabelKind, Run, Settings, require
from instageo.model.tables import checked_table

log = logging.getLogger(__name__)


def stats(run: Run) -> None:
    """Print one line of JSON on stdout: mean, std, class_weights, class_counts, valid_fraction and more.

    Mean and std are those of valid pixels of whole chips, per band over all dates, in the unit of the chips after
    `dataloader.constant_multiplier`. The same line is written to `stats.json`; `stats.png` shows the distributions.
    """
    require(run.settings, "root_dir", "train_filepath")
    run = replace(run, settings=complete(run.settings, run.explicit, statistics=False))
    report = checked_table(run, "train_filepath", values=True)
    result = summary(run.settings, report)
    line = json.dumps(result)
    (run.folder / "stats.json").write_text(line + "\n", encoding="utf-8")
    _draw(run, report)
    sys.stdout.write(line + "\n")


def _draw(run: Run, report: TableReport) -> None:
    path, names = run.folder / "stats.png", band_names(run.settings)
    values = dict(zip(names, sampled_values(report.rows, chip_format(run.settings)), strict=True))
    classes = {} if run.settings.is_reg_task else dict(zip(class_names(run.settings), report.class_counts, strict=True))
    counted = "labelled pixels" if run.settings.dataloader.label_kind is LabelKind.raster else "labels of chips"
    distribution_figure(values, classes, path, counted=counted)
    log.info("distributions: %s", path)


def summary(settings: Settings, report: TableReport) -> dict[str, Any]:
    """What the line of JSON holds.

    Raises:
        DataError: No chip has a valid pixel.
    """
    values = report.values
    if not values.count:
        raise DataError(f"{settings.train_filepath}: no valid pixel in any chip; check dataloader.no_data_value")
    result: dict[str, Any] = {"mean": values.mean.tolist(), "std": values.std.tolist()}
    if settings.is_reg_task:
        target = report.target
        result |= {"label_min": float(target.low[0]), "label_max": float(target.high[0])}
        result |= {"label_mean": float(target.mean[0]), "label_std": float(target.std[0]), "label_count": target.count}
        if settings.model.use_log_scale:
            result |= {"label_log_mean": float(target.mean[1]), "label_log_std": float(target.std[1])}
    else:
        counts = report.class_counts
        result |= {"class_weights": class_weights(counts)}
        result |= {f"class_weights_{name}": class_weights(counts, name) for name in WEIGHTINGS if name != "inverse"}
        result |= {"class_counts": counts}
    return result | {"valid_fraction": values.count / values.pixels}
