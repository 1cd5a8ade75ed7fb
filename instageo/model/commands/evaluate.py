"""`mode=eval`: score a checkpoint on every label of a table."""

import logging
from dataclasses import replace
from typing import Any

from instageo.errors import DataError, InstaGeoError
from instageo.model.chips.distribution_shift import UnlikeBands, describe_unlike
from instageo.model.chips.sample import Sample, ignored_value
from instageo.model.context import Run
from instageo.model.dataset.datasets import WholeChipDataset, build_eval_loader
from instageo.model.dataset.from_settings import chip_reader_from_settings, count_workers
from instageo.model.inference.backend_choice import choose_for_chips
from instageo.model.inference.blending import NonFiniteOutputError
from instageo.model.inference.predictor import Predictor, predictor_from_settings
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.tables import inspect_table, warn_of_shared_ground
from instageo.model.inspection.units import warn_if_units_differ
from instageo.model.settings import require_settings
from instageo.model.tracking.network_summary import record_predictor
from instageo.runtime.progress import track

log = logging.getLogger(__name__)


def evaluate(run: Run) -> None:
    """Score `checkpoint_path` on `test_filepath`, and write metrics.json, metrics.csv and a figure.

    With `train_filepath` it also warns of chips that share ground with training chips.
    """
    settings = run.settings
    table = "test_filepath" if settings.test_filepath else "valid_filepath"
    if not settings.valid_filepath:
        require_settings(settings, "test_filepath")
    require_settings(settings, "root_dir", "checkpoint_path")
    predictor = predictor_from_settings(settings, run.explicit)
    report = inspect_table(replace(run, settings=predictor.settings), table)
    predictor.announce(report.layers)
    if predictor.value_range is None:
        warn_if_units_differ(predictor.settings, report)
    predictor = _with_backend(predictor, report)
    with run.info.working_on(len(report.rows)):
        metrics = score(predictor, report)
    _compare_with_training(replace(run, settings=predictor.settings), table, report)
    run.info.scores = predictor.task.write_report(metrics, run.folder)
    record_predictor(run.info, predictor)


def _with_backend(predictor: Predictor, report: TableReport) -> Predictor:
    """Choose what computes the network, by tiles of the first chips."""
    reader, num_rows = chip_reader_from_settings(predictor.settings, report, once=True), len(report.rows)

    def read_chip(index: int) -> Sample:
        return reader.read(index)

    return choose_for_chips(predictor, read_chip, [(row.height, row.width) for row in report.row_stats][:num_rows])


def _compare_with_training(run: Run, table: str, report: TableReport) -> None:
    """Warn of ground that the scored chips share with those of `train_filepath`, if it is given and can be read."""
    if not run.settings.train_filepath:
        return
    try:
        training = inspect_table(run, "train_filepath")
    except InstaGeoError as error:
        log.info("scored chips are not compared with training chips: %s", error)
    else:
        warn_of_shared_ground(run, ("train_filepath", training), (table, report))


def score(predictor: Predictor, report: TableReport) -> Any:
    """Return the task's metrics of a model on whole chips; every label counts once."""
    settings = predictor.settings
    metrics = predictor.task.build_metrics(label_range=report.label_range, device=predictor.device)
    data = WholeChipDataset(chip_reader_from_settings(settings, report, once=True))
    num_workers = count_workers(settings, predictor.device, report.max_shape)
    loader = build_eval_loader(data, settings.train.batch_size, num_workers)
    unlike: list[UnlikeBands] = []
    for samples in track(loader, "scoring", len(loader)):
        try:
            logits = predictor.logits(samples)
        except NonFiniteOutputError as error:
            raise DataError(f"{report.rows[len(unlike) + error.index].name}: {error}") from error
        unlike += map(predictor.find_unlike_bands, samples)
        for sample, outputs in zip(samples, logits, strict=True):
            if sample.label is not None:
                ignored = ignored_value(sample.label, settings.train.ignore_index)
                label = sample.label.masked_fill(~predictor.observed(sample.valid), ignored)
                metrics.update(outputs, label.to(predictor.device))
    if sentence := describe_unlike(unlike):
        log.warning("%s", sentence)
    return metrics
