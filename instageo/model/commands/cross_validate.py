"""`instageo cv`: train and score a network on every fold, and report the scores over all folds."""

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from instageo.errors import ConfigError, InstaGeoError
from instageo.model.cross_validation.caveats import describe_leaks, describe_shared_ground
from instageo.model.cross_validation.folds import add_validation, find_folds
from instageo.model.cross_validation.jobs import FoldJob, build_jobs, claim_jobs, override_key
from instageo.model.cross_validation.processes import Chain, LoggedCommand, run_chains
from instageo.model.cross_validation.report import CvReport, write_report
from instageo.model.cross_validation.scores import FoldScores, summarize
from instageo.model.overrides import prepare_overrides, split_flags
from instageo.model.runs.rows import PrimaryMetrics
from instageo.model.runs.trained_run import SCORES_FILE, check_same_task, read_scores_file, read_trained_run
from instageo.model.settings.compose import default_settings, update_settings
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import keys_with
from instageo.model.tasks.from_settings import task_from_settings
from instageo.model.tracking.run_json import RUN_FILE, read_run_json
from instageo.runtime.own_modules import module_command
from instageo.runtime.progress import format_duration, track
from instageo.stores.lock import LockedError, hold_folder
from instageo.wording import counted

log = logging.getLogger(__name__)

INSTAGEO_RUN = module_command("instageo.model.run")
"""Program that trains and scores."""


@dataclass(frozen=True)
class CvRequest:
    """What to train and score.

    Attributes:
        folds: Folders of folds, or folders that contain them.
        settings: Settings `key=value` and flags of `instageo run`.
        output: Folder of the trainings and of the report.
        seeds: Seeds of the trainings of each fold; empty for one training with the seed of the settings.
        parallel: Trainings at a time.
    """

    folds: Sequence[str | Path]
    settings: Sequence[str] = ()
    output: str | Path = "cross_validation"
    seeds: Sequence[int] = ()
    parallel: int = 1


def parse_request(arguments: Sequence[str], output: Path, seeds: str, parallel: int) -> CvRequest:
    """Return the request of a command line.

    Args:
        arguments: Folders of folds, settings `key=value`, and flags of `instageo run`.
        output: Folder of the trainings and of the report.
        seeds: Numbers separated by commas; empty for none.
        parallel: Trainings at a time.

    Raises:
        ConfigError: The seeds are no whole numbers.
    """
    flags, others = split_flags(arguments)
    folds = [argument for argument in others if "=" not in argument or Path(argument).expanduser().is_dir()]
    settings = [*flags, *(argument for argument in others if argument not in folds)]
    parts = [part.strip() for part in seeds.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(f"--seeds {seeds} does not work; expected whole numbers such as 1,2,3")
    return CvRequest(folds, settings, output, [int(part) for part in parts], parallel)


def cross_validate(request: CvRequest) -> CvReport:
    """Train and score a network on every fold, and write the report as JSON, CSV, Markdown and PNG.

    Each training and each scoring is an `instageo run` in a process of its own. Those that are finished are not run
    again, those that were interrupted continue.

    Raises:
        InstaGeoError: The folds or the settings cannot be used, or a training has failed.
    """
    _check(request)
    root = next((each.partition("=")[2] for each in request.settings if override_key(each) == "root_dir"), None)
    folds = find_folds(request.folds, root)
    notes, output = describe_leaks(folds), Path(request.output).expanduser()
    try:
        with hold_folder(output):
            folds = add_validation(folds, output)
            jobs = build_jobs(folds, request.seeds, request.settings, output)
            claim_jobs(jobs)
            for note in notes:
                log.warning("%s", note)
            _run(jobs, request.parallel)
            report = _build_report(jobs, request.settings, notes)
            for note in report.notes[len(notes) :]:
                log.warning("%s", note)
            for path in write_report(report, output):
                log.info("wrote %s", path)
    except LockedError as error:
        raise ConfigError(
            f"{output}: is being used by another cross-validation ({error}); wait for its end, or choose "
            "another folder with --output"
        ) from error
    return report


def _check(request: CvRequest) -> None:
    if not request.folds:
        raise ConfigError("no folds are given; name the folder that instageo split --by kfold or region has written")
    if len(set(request.seeds)) < len(request.seeds):
        raise ConfigError(f"--seeds {','.join(map(str, request.seeds))} names a seed twice; expected different ones")
    _, overrides = split_flags(request.settings)
    prepare_overrides(overrides, sweeping=False)


def _run(jobs: Sequence[FoldJob], parallel: int) -> None:
    """Run what is not done yet; a failure ends all if nothing has succeeded before, since others would fail, too.

    Raises:
        InstaGeoError: A command has failed.
    """
    chains = [chain for job in jobs if (chain := _build_chain(job)).steps]
    if len(chains) < len(jobs):
        log.info("%d of %s finished already", len(jobs) - len(chains), counted(len(jobs), "training", "are"))
    failed, succeeded = list[str](), len(jobs) - len(chains)
    with closing(run_chains(chains, parallel)) as ended:
        for chain in track(ended, "trainings of folds", len(chains)):
            if chain.error is None:
                succeeded += 1
                log.info("%s: done in %s", chain.name, format_duration(chain.seconds))
                continue
            failed.append(chain.error)
            if not succeeded:
                raise InstaGeoError(chain.error)
            log.warning("%s", chain.error)
    if failed:
        raise InstaGeoError(
            f"{counted(len(failed), 'training')} of {len(jobs)} failed, the others are done and will not be run again: "
            f"{failed[0]}"
        )


def _build_chain(job: FoldJob) -> Chain:
    """Return the commands of a job that are not done yet."""
    steps = []
    if not job.is_trained:
        steps.append(LoggedCommand([*INSTAGEO_RUN, *job.training_command()], job.folder / "training.log"))
    if not job.is_scored:
        steps.append(LoggedCommand([*INSTAGEO_RUN, *job.scoring_command()], job.folder / "scoring.log"))
    return Chain(job.name, steps)


def _build_report(jobs: Sequence[FoldJob], settings: Sequence[str], notes: Sequence[str]) -> CvReport:
    runs = [read_trained_run(job.folder) for job in jobs]
    for run in runs[1:]:
        check_same_task(runs[0], run)
    deciding = (*keys_with(Role.same_task), "dataloader.label_mean", "dataloader.label_std")
    task = task_from_settings(update_settings(default_settings(), {key: runs[0].settings[key] for key in deciding}))
    metrics = PrimaryMetrics(task.primary_metrics, task.monitor.mode)
    scores = [_read_scores(job, run.seed) for job, run in zip(jobs, runs, strict=True)]
    return CvReport(
        runs[0].task, metrics, summarize(scores, metrics), settings, [*notes, *describe_shared_ground(scores)]
    )


def _read_scores(job: FoldJob, seed: int | None) -> FoldScores:
    """Return the scores of a training on the test chips of its fold."""
    table = (read_run_json(job.test_folder / RUN_FILE).get("tables") or {}).get("test_filepath") or {}
    ground = table.get("separation", {}).get("train_filepath", {})
    return FoldScores(
        job.fold.name,
        seed,
        str(job.folder),
        table.get("chips", 0),
        sum(table.get("labelled_pixels", [])),
        read_scores_file(job.test_folder / SCORES_FILE),
        ground.get("distance_at_least_km"),
        ground.get("chips_on_shared_ground", 0),
    )
