"""`mode=eval`: score a checkpoint on every label of a table."""

from dataclasses import replace
from typing import Any

from instageo.model.accounts.network import note_predictor
from instageo.model.check import TableReport
from instageo.model.dataset import WholeChips, scoring_loader
from instageo.model.predictor import Predictor, predictor_from
from instageo.model.sample import unlabelled
from instageo.model.settings import Run, require
from instageo.model.tables import checked_table, chip_source, warn_of_another_unit
from instageo.progress import track


def evaluate(run: Run) -> None:
    """Score `checkpoint_path` on `test_filepath`; leaves metrics.json, metrics.csv and a picture."""
    settings = run.settings
    which = "test_filepath" if settings.test_filepath else "valid_filepath"
    if not settings.valid_filepath:
        require(settings, "test_filepath")
    require(settings, "root_dir", "checkpoint_path")
    predictor = predictor_from(settings, run.explicit)
    report = checked_table(replace(run, settings=predictor.settings), which)
    warn_of_another_unit(predictor.settings, report)
    with run.notes.working_on(len(report.rows)):
        metrics = score(predictor, report)
    run.notes.scores = predictor.task.report(metrics, run.folder)
    note_predictor(run.notes, predictor)


def score(predictor: Predictor, report: TableReport) -> Any:
    """The task's metrics of a model on whole chips; every label counts once."""
    settings = predictor.settings
    metrics = predictor.task.metrics(labels=report.label_range, device=predictor.device)
    data = WholeChips(chip_source(settings, report, once=True))
    loader = scoring_loader(data, settings.train.batch_size, settings.dataloader.num_workers)
    for samples in track(loader, "scoring", len(loader)):
        for sample, values in zip(samples, predictor.logits(samples), strict=True):
            if sample.label is not None:
                nothing = unlabelled(sample.label, settings.train.ignore_index)
                label = sample.label.masked_fill(~predictor.observed(sample.valid), nothing)
                metrics.update(values, label.to(predictor.device))
    return metrics
