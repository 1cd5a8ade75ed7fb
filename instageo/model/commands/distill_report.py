"""`instageo distill-report`: a teacher and its students side by side, in cost and in scores."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from instageo.errors import ConfigError
from instageo.model.accounts.network import predictor_account
from instageo.model.commands.evaluate import score
from instageo.model.comparison.caveats import caveats
from instageo.model.comparison.grouping import by_seed
from instageo.model.comparison.naming import given_names, row_names
from instageo.model.comparison.report import Report, write_report
from instageo.model.comparison.rows import Headline, Network, build_rows, find_teacher, spreads_of
from instageo.model.comparison.runs import Scores, TrainedRun, numbers, read_all
from instageo.model.comparison.speed import batches_of, chip_shape, measure, this_machine
from instageo.model.config import overlay, settings_from, shipped_config
from instageo.model.memory import keep_freed_memory
from instageo.model.metrics.summary import summary
from instageo.model.notes import Notes
from instageo.model.predictor import Predictor, load_model, pick_device, predictor_from
from instageo.model.settings import Mode, Run
from instageo.model.tables import checked_table, warn_of_another_unit

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
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


def distill_report(wish: Wish) -> Report:
    """Compare runs, and leave the report as JSON, CSV, Markdown and PNG.

    Raises:
        InstaGeoError: A run cannot be read, has no scores and no table is given, or they do not compare.
    """
    keep_freed_memory()
    runs = read_all(wish.runs, wish.teacher)
    if wish.table is None:
        refuse_unscored(runs)
    groups = by_seed(runs)
    device = pick_device(wish.accelerator)
    predictors = [_sized(load_model(group[0].path, device=device), wish.img_size) for group in groups]
    accounts = [predictor_account(predictor) for predictor in predictors]
    teacher = find_teacher(groups, [account["forward_flops"] for account in accounts], wish.teacher)
    names = row_names([group[0] for group in groups], teacher)
    names = given_names(wish.names, names) if wish.names else names
    headline = Headline(predictors[0].task.headline, predictors[0].task.monitor.mode)
    scores, scores_of = _scores(groups, wish, device)
    spreads = [spreads_of(group, found, headline) for group, found in zip(groups, scores, strict=True)]
    speeds = measure(predictors, rounds=wish.repeats, batch_size=wish.batch_size)
    networks = [
        Network(chip_shape(predictor), account, speed)
        for predictor, account, speed in zip(predictors, accounts, speeds, strict=True)
    ]
    rows = build_rows(groups, names, networks, spreads, teacher)
    report = Report(
        rows=rows,
        headline=headline,
        scores_of=scores_of,
        machine=this_machine(predictors[0].device),
        rounds=wish.repeats,
        batches=batches_of(wish.repeats),
        batch_size=wish.batch_size,
        weight_types=sorted({kind for run in runs for kind in run.weight_types}),
        notes=caveats(rows, groups, scored_anew=wish.table is not None),
    )
    for path in write_report(report, wish.output):
        log.info("wrote %s", path)
    return report


def refuse_unscored(runs: Sequence[TrainedRun]) -> None:
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
    return replace(predictor, settings=overlay(predictor.settings, {"dataloader.img_size": side}))


def _scores(groups: Sequence[Sequence[TrainedRun]], wish: Wish, device: str) -> tuple[list[list[Scores]], str]:
    """Scores of each run of each group, and what they are of."""
    if wish.table is None:
        return [[run.scores or {} for run in group] for group in groups], "those of each run, in its metrics.json"
    return [[_score_anew(run, wish, device) for run in group] for group in groups], f"of all labels of {wish.table}"


def _score_anew(run: TrainedRun, wish: Wish, device: str) -> Scores:
    table = str(wish.table)
    given = {
        "mode": Mode.eval.value,
        "checkpoint_path": str(run.path),
        "test_filepath": table,
        "root_dir": wish.root_dir or table.rpartition("/")[0] or ".",
    }
    predictor = predictor_from(overlay(settings_from(shipped_config()), given), frozenset(given), device)
    wish.output.mkdir(parents=True, exist_ok=True)
    job = Run(predictor.settings, wish.output, notes=Notes())
    report = checked_table(job, "test_filepath")
    warn_of_another_unit(predictor.settings, report)
    return numbers(summary(score(predictor, report).compute(), predictor.class_names))
