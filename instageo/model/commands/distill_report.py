"""`instageo distill-report`: a teacher and its students side by side, in cost and in scores."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from instageo.errors import ConfigError
from instageo.model.commands.evaluate import score
from instageo.model.context import Run, RunInfo
from instageo.model.inference.predictor import Predictor, load_model, predictor_from_settings
from instageo.model.inspection.tables import inspect_table, warn_if_units_differ
from instageo.model.metrics.summary import summarize_scores
from instageo.model.networks.device import pick_device
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.runs.grouping import given_names, group_by_seed, row_names
from instageo.model.runs.report import Report, caveats, write_report
from instageo.model.runs.rows import NetworkMeasurements, PrimaryMetrics, build_rows, find_teacher, score_spreads
from instageo.model.runs.speed import batch_rounds, chip_shape, describe_device, measure_speed
from instageo.model.runs.trained_run import Scores, TrainedRun, read_trained_runs, scalar_scores
from instageo.model.settings import Mode
from instageo.model.settings.compose import default_config, settings_from_config, update_settings
from instageo.model.tracking.network_summary import summarize_predictor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportRequest:
    """What the report is to be of.

    Attributes:
        runs: Folders of training runs, or checkpoints.
        teacher: The one of them, or one more, that is the teacher; None to find it.
        names: Of the rows, in the order of the runs; empty for automatic ones.
        table: Chips and labels to score all runs on; None for the scores that the runs have.
        root_dir: Folder or URL that the table's paths start from; None for the table's own folder.
        output: Folder for the report's files.
        img_size: Side of the chips that are counted and timed, pixels; None for that of each network's training.
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


def distill_report(wish: ReportRequest) -> Report:
    """Compare runs, and leave the report as JSON, CSV, Markdown and PNG.

    Raises:
        InstaGeoError: A run cannot be read, has no scores and no table is given, or they do not compare.
    """
    keep_freed_memory()
    runs = read_trained_runs(wish.runs, wish.teacher)
    if wish.table is None:
        check_scored(runs)
    groups = group_by_seed(runs)
    device = pick_device(wish.accelerator)
    predictors = [_sized(load_model(group[0].path, device=device), wish.img_size) for group in groups]
    accounts = [summarize_predictor(predictor) for predictor in predictors]
    teacher = find_teacher(groups, [account["forward_flops"] for account in accounts], wish.teacher)
    names = row_names([group[0] for group in groups], teacher)
    names = given_names(wish.names, names) if wish.names else names
    headline = PrimaryMetrics(predictors[0].task.headline, predictors[0].task.monitor.mode)
    scores, scores_of = _scores(groups, wish, device)
    spreads = [score_spreads(group, found, headline) for group, found in zip(groups, scores, strict=True)]
    speeds = measure_speed(predictors, rounds=wish.repeats, batch_size=wish.batch_size)
    networks = [
        NetworkMeasurements(chip_shape(predictor), account, speed)
        for predictor, account, speed in zip(predictors, accounts, speeds, strict=True)
    ]
    rows = build_rows(groups, names, networks, spreads, teacher)
    report = Report(
        rows=rows,
        headline=headline,
        scores_of=scores_of,
        machine=describe_device(predictors[0].device),
        rounds=wish.repeats,
        batches=batch_rounds(wish.repeats),
        batch_size=wish.batch_size,
        weight_types=sorted({kind for run in runs for kind in run.weight_types}),
        notes=caveats(rows, groups, scored_anew=wish.table is not None),
    )
    for path in write_report(report, wish.output):
        log.info("wrote %s", path)
    return report


def check_scored(runs: Sequence[TrainedRun]) -> None:
    """Refuse runs that have no scores of their own.

    Raises:
        ConfigError: One has none.
    """
    for run in runs:
        if run.scores is None:
            raise ConfigError(
                f"{run.name}: has no metrics.json of its own; score all runs on one table with --table FILE"
            )


def _sized(predictor: Predictor, side: int | None) -> Predictor:
    """The same network, to be counted and timed on chips of another size."""
    if side is None:
        return predictor
    return replace(predictor, settings=update_settings(predictor.settings, {"dataloader.img_size": side}))


def _scores(groups: Sequence[Sequence[TrainedRun]], wish: ReportRequest, device: str) -> tuple[list[list[Scores]], str]:
    """Scores of each run of each group, and what they are of."""
    if wish.table is None:
        return [[run.scores or {} for run in group] for group in groups], "those of each run, in its metrics.json"
    return [[_score_anew(run, wish, device) for run in group] for group in groups], f"of all labels of {wish.table}"


def _score_anew(run: TrainedRun, wish: ReportRequest, device: str) -> Scores:
    table = str(wish.table)
    given = {
        "mode": Mode.eval.value,
        "checkpoint_path": str(run.path),
        "test_filepath": table,
        "root_dir": wish.root_dir or table.rpartition("/")[0] or ".",
    }
    predictor = predictor_from_settings(
        update_settings(settings_from_config(default_config()), given), frozenset(given), device
    )
    wish.output.mkdir(parents=True, exist_ok=True)
    job = Run(predictor.settings, wish.output, info=RunInfo())
    report = inspect_table(job, "test_filepath")
    warn_if_units_differ(predictor.settings, report)
    return scalar_scores(summarize_scores(score(predictor, report).compute(), predictor.class_names))
