"""`mode=chip_inference`: a georeferenced map for every chip of a table, or a table of what chips are as a whole."""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from instageo.errors import ConfigError, DataError, MissingExtraError
from instageo.locations import is_remote, relative_path
from instageo.model.context import Run
from instageo.model.inference.batch import PredictionItem, PredictionOutcome, predict_items, remove_leftovers
from instageo.model.inference.journal import Journal, model_fingerprint
from instageo.model.inference.predictor import Predictor, predictor_from_settings
from instageo.model.inspection.report import TableReport, summarize_reasons
from instageo.model.inspection.tables import inspect_table, warn_if_units_differ
from instageo.model.settings import Engine, require_settings
from instageo.model.settings.resolve import table_root
from instageo.model.tracking.network_summary import record_predictor
from instageo.progress import track
from instageo.table import INPUT, Row, write_table

log = logging.getLogger(__name__)

AHEAD = 4
"""Chips that are read before their turn."""

LARGE = 32e6
"""Bytes of an image in memory from which the next is not read before its turn."""


def chip_inference(run: Run) -> None:
    """Predict every chip of `test_filepath`; labels are not needed.

    Leaves a map for each on its own grid, or, of chips as a whole, one table, `predictions.csv`. What was predicted
    before in the same folder, by the same model of the same chip, is kept. Chips that cannot be predicted stop no
    others; they are listed in `failed_rows_test.csv` in the run's folder.
    """
    settings = run.settings
    require_settings(settings, "root_dir", "test_filepath", "checkpoint_path")
    local = settings.engine is Engine.local
    predictor = predictor_from_settings(settings, run.explicit, None if local else "cpu")
    report = inspect_table(replace(run, settings=predictor.settings), "test_filepath", labelled=False)
    warn_if_units_differ(predictor.settings, report)
    rows = list({row.input: row for row in report.rows}.values())
    if len(rows) < len(report.rows):
        log.info("%d chips are listed more than once; each is predicted once", len(report.rows) - len(rows))
    folder = _folder(run)
    items = _items(predictor, rows, folder)
    mark = model_fingerprint(predictor.settings)
    journal = Journal(folder, mark)
    outcomes = journal.finished(items)
    left = [item for item in items if item.row.input not in outcomes]
    if outcomes:
        log.info("%d of %d predictions were made before and are kept", len(outcomes), len(items))
    try:
        with run.info.working_on(len(left)), journal.writing() as write:
            coming = _predict(run, predictor, mark, left, _ahead(report)) if left else ()
            for outcome in track(coming, "predicting", len(left)):
                write(outcome)
                outcomes[outcome.input] = outcome
    finally:
        remove_leftovers(left)
        if predictor.task.image_level:
            _write_records(folder / "predictions.csv", rows, outcomes)
    record_predictor(run.info, predictor)
    _tell(run, rows, outcomes, folder)


def _folder(run: Run) -> Path:
    chosen = run.settings.output_dir
    if chosen and is_remote(chosen):
        raise ConfigError(f"output_dir={chosen}: predictions are written to a local folder; name one")
    return Path(chosen).expanduser() if chosen else run.folder / "predictions"


def _items(predictor: Predictor, rows: Sequence[Row], folder: Path) -> list[PredictionItem]:
    if predictor.task.image_level:
        _refuse_overwriting_inputs(rows, [folder / "predictions.csv"])
        return [PredictionItem(row, None) for row in rows]
    outputs = output_paths(rows, table_root(predictor.settings), folder)
    _refuse_overwriting_inputs(rows, outputs)
    return [PredictionItem(row, output) for row, output in zip(rows, outputs, strict=True)]


def _ahead(report: TableReport) -> int:
    height, width = report.largest
    return AHEAD if 4 * report.layers * height * width < LARGE else 0


def _predict(
    run: Run, predictor: Predictor, mark: str, items: Sequence[PredictionItem], ahead: int
) -> Iterator[PredictionOutcome]:
    """Outcomes as they come, by the engine that the settings name."""
    if run.settings.engine is Engine.local:
        return predict_items(predictor, items, ahead)
    try:
        from instageo.model.inference.ray_engine import predict_on_ray
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"engine=ray needs the package {error.name}; install the extras: "
            "pip install 'instageo-model[model,cpu,serve]'"
        ) from error
    return predict_on_ray(run.settings, run.explicit, mark, items, ahead)


def _write_records(path: Path, rows: Sequence[Row], outcomes: dict[str, PredictionOutcome]) -> None:
    """One table of all that is known, in the order of the rows."""
    known = [(row, outcomes[row.input].record) for row in rows if row.input in outcomes]
    records = [{INPUT: row.name, **record} for row, record in known if record]
    if records:
        write_table(path, records)


def _tell(run: Run, rows: Sequence[Row], outcomes: dict[str, PredictionOutcome], folder: Path) -> None:
    """What became of all rows, for the log; failures are an error unless they are to be skipped."""
    unseen = [row.name for row in rows if not outcomes[row.input].seen]
    if unseen:
        log.warning("%d chips have no valid pixel and are all no-data: %s", len(unseen), ", ".join(unseen[:3]))
    failed = [(row, f"{row.name}: {error}") for row in rows if (error := outcomes[row.input].error)]
    log.info("%d predictions in %s", len(rows) - len(failed), folder)
    if not failed:
        return
    path = run.folder / "failed_rows_test.csv"
    write_table(path, [{INPUT: row.name, "reason": reason} for row, reason in failed])
    summary = summarize_reasons(failed)
    told = f"{len(failed)} of {len(rows)} chips could not be predicted: {summary}; they are listed in {path}"
    if run.settings.dataloader.on_bad_row == "error":
        raise DataError(f"{told}. The others are in {folder}")
    log.warning("%s", told)


def output_paths(rows: Sequence[Row], root: str | Path, folder: Path) -> list[Path]:
    """One path per row below `folder`, mirroring the input's path below `root`; no two alike.

    `chip` in the file name becomes `prediction`; where that would make two outputs meet, the input's own name stays.
    """
    own = [relative_path(row.input, root) for row in rows]
    renamed = [path.with_name(path.stem.replace("chip", "prediction") + ".tif") for path in own]
    taken = Counter([*renamed, *(path for path, new in zip(own, renamed, strict=True) if path != new)])
    chosen = [
        new if taken[new] == 1 else old.with_name(old.name + ("" if old.suffix == ".tif" else ".tif"))
        for old, new in zip(own, renamed, strict=True)
    ]
    twice = [str(path) for path, count in Counter(chosen).items() if count > 1]
    if twice:
        names = [row.input for row, path in zip(rows, chosen, strict=True) if str(path) == twice[0]]
        raise DataError(f"{' and '.join(names)} would both be written to {twice[0]}; rename one of them")
    return [folder / path for path in chosen]


def _refuse_overwriting_inputs(rows: Sequence[Row], outputs: Sequence[Path]) -> None:
    files = [name for row in rows for name in (row.input, row.label) if name]
    inputs = {os.path.abspath(name) for name in files if not is_remote(name)}
    for path in outputs:
        if os.path.abspath(path) in inputs:
            raise DataError(f"the prediction {path} would overwrite a file of the table; choose another output_dir")
