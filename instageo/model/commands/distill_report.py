"""`instageo distill-report`: compare a teacher and its students in cost and scores."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from instageo.errors import ConfigError
from instageo.model.commands.evaluate import score
from instageo.model.context import Run, RunInfo
from instageo.model.inference.predictor import Predictor, predictor_from_settings
from instageo.model.inspection.tables import inspect_table
from instageo.model.inspection.units import warn_if_units_differ
from instageo.model.metrics.summary import summarize_scores
from instageo.model.networks.device import pick_device
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.runs.grouping import check_row_names, describe_differences, group_by_seed, row_names
from instageo.model.runs.report import Report, find_caveats, write_report
from instageo.model.runs.rows import NetworkMeasurements, PrimaryMetrics, build_rows, find_teacher, score_spreads
from instageo.model.runs.speed import batch_rounds, chip_shape, describe_device, measure_speed
from instageo.model.runs.trained_run import Scores, TrainedRun, read_trained_runs, single_number_scores
from instageo.model.settings import Mode
from instageo.model.settings.compose import default_settings, update_settings
from instageo.model.tracking.network_summary import summarize_predictor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportRequest:
    """What to compare, and how.

    Attributes:
        runs: Folders of training runs, or checkpoints.
        teacher: Folder or checkpoint of the teacher, which need not be one of the runs; None to find it among them.
        names: Names of the rows in the order of the runs; empty for automatic names.
        table: Table to score all runs on; None for the scores in each run's folder.
        root_dir: Folder or URL that the table's paths start from; None for the table's own folder.
        output: Folder for the report's files.
        img_size: Side in pixels of the chips that are counted and timed; None for each network's training size.
        batch_size: Chips in a batch.
        repeats: Single chips timed per network.
        accelerator: Where to compute, as in the settings.
    """

    runs: Sequence[str]
    teacher: str | None = None
    names: Sequence[str] = ()
    table: str | None = None
    root_dir: str | None = None
    output: Path = Path("distill_report")
    img_size: int | None = None
    batch_size: int = 8
    repeats: int = 20
    accelerator: str = "auto"


def distill_report(request: ReportRequest) -> Report:
    """Compare runs, and write the report as JSON, CSV, Markdown and PNG.

    Raises:
        InstaGeoError: A run cannot be read, has no scores and no table is given, or the runs cannot be compared.
    """
    keep_freed_memory()
    runs = read_trained_runs(request.runs, request.teacher)
    if request.table is None:
        check_have_scores(runs)
    groups = group_by_seed(runs)
    device = pick_device(request.accelerator)
    predictors = [_resize_chips(group[0].load(device), request.img_size) for group in groups]
    summaries = [summarize_predictor(predictor) for predictor in predictors]
    teacher = find_teacher(groups, [summary["forward_flops"] for summary in summaries], request.teacher)
    names = row_names([group[0] for group in groups], teacher)
    if request.names:
        check_row_names(request.names, names)
        names = list(request.names)
    metrics = PrimaryMetrics(predictors[0].task.primary_metrics, predictors[0].task.monitor.mode)
    scores, scores_of = _collect_scores(groups, request, device)
    spreads = [score_spreads(group, values, metrics) for group, values in zip(groups, scores, strict=True)]
    speeds = measure_speed(predictors, rounds=request.repeats, batch_size=request.batch_size)
    networks = [
        NetworkMeasurements(chip_shape(predictor), summary, speed)
        for predictor, summary, speed in zip(predictors, summaries, speeds, strict=True)
    ]
    rows = build_rows(groups, names, networks, spreads, teacher)
    report = Report(
        rows=rows,
        primary_metrics=metrics,
        scores_of=scores_of,
        machine=describe_device(predictors[0].device),
        rounds=request.repeats,
        batches=batch_rounds(request.repeats),
        batch_size=request.batch_size,
        weight_types=sorted({name for run in runs for name in run.weight_types}),
        notes=[
            *(f"trainings differ in {line}" for line in describe_differences(names, [group[0] for group in groups])),
            *find_caveats(rows, groups, same_table=request.table is not None),
        ],
    )
    for path in write_report(report, request.output):
        log.info("wrote %s", path)
    return report


def check_have_scores(runs: Sequence[TrainedRun]) -> None:
    """Raise if a run has no scores of its own.

    Raises:
        ConfigError: It has none.
    """
    for run in runs:
        if run.scores is None:
            raise ConfigError(
                f"{run.name}: has no metrics.json of its own; score all runs on one table with --table FILE"
            )


def _resize_chips(predictor: Predictor, side: int | None) -> Predictor:
    """Return the same network, to be counted and timed on chips of another size."""
    if side is None:
        return predictor
    return replace(predictor, settings=update_settings(predictor.settings, {"dataloader.img_size": side}))


def _collect_scores(
    groups: Sequence[Sequence[TrainedRun]], request: ReportRequest, device: str
) -> tuple[list[list[Scores]], str]:
    """Return the scores of each run of each group, and where they are from, in words."""
    if request.table is None:
        return [[run.scores or {} for run in group] for group in groups], "from each run's metrics.json"
    return [[_score(run, request, device) for run in group] for group in groups], f"on all labels of {request.table}"


def _score(run: TrainedRun, request: ReportRequest, device: str) -> Scores:
    """Score a run on the request's table, as `mode=eval` does."""
    table = str(request.table)
    overrides = {
        "mode": Mode.eval.value,
        "checkpoint_path": str(run.path),
        "test_filepath": table,
        "root_dir": request.root_dir or table.rpartition("/")[0] or ".",
    }
    predictor = predictor_from_settings(update_settings(default_settings(), overrides), frozenset(overrides), device)
    request.output.mkdir(parents=True, exist_ok=True)
    report = inspect_table(Run(predictor.settings, request.output, info=RunInfo()), "test_filepath")
    warn_if_units_differ(predictor.settings, report)
    return single_number_scores(summarize_scores(score(predictor, report).compute(), predictor.class_names))
