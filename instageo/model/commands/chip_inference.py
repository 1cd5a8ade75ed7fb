"""`mode=chip_inference`: a georeferenced map for every chip of a table, or a table of what chips are as a whole."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from instageo.errors import ConfigError, DataError, InstaGeoError
from instageo.locations import below, is_remote
from instageo.model.accounts.network import note_predictor
from instageo.model.predictor import Predictor, predictor_from
from instageo.model.settings import Run, require
from instageo.model.tables import checked_table, root_of, warn_of_another_unit
from instageo.model.tasks.predictions import Prediction
from instageo.progress import track
from instageo.table import INPUT, Row, write_table

log = logging.getLogger(__name__)


def chip_inference(run: Run) -> None:
    """Predict every chip of `test_filepath`; labels are not needed.

    Leaves a map for each on its own grid, or, of chips as a whole, one table, `predictions.csv`.
    """
    settings = run.settings
    require(settings, "root_dir", "test_filepath", "checkpoint_path")
    predictor = predictor_from(settings, run.explicit)
    report = checked_table(replace(run, settings=predictor.settings), "test_filepath", labelled=False)
    warn_of_another_unit(predictor.settings, report)
    rows = list({row.input: row for row in report.rows}.values())
    if len(rows) < len(report.rows):
        log.info("%d chips are listed more than once; each is predicted once", len(report.rows) - len(rows))
    predict = _table if predictor.task.per_chip else _maps
    with run.notes.working_on(len(rows)):
        unseen, failed = predict(predictor, rows, _folder(run), skip=settings.dataloader.on_bad_row == "skip")
    note_predictor(run.notes, predictor)
    if unseen:
        log.warning("%d chips have no valid pixel and are all no-data: %s", len(unseen), ", ".join(unseen[:3]))
    if failed:
        log.warning("%d chips could not be predicted: %s", len(failed), "; ".join(failed[:3]))
    log.info("%d predictions in %s", len(rows) - len(failed), _folder(run))


def _folder(run: Run) -> Path:
    chosen = run.settings.output_dir
    if chosen and is_remote(chosen):
        raise ConfigError(f"output_dir={chosen}: predictions are written to a local folder; name one")
    return Path(chosen) if chosen else run.folder / "predictions"


Troubles = tuple[list[str], list[str]]
"""Names of chips without any valid pixel, and reasons why others could not be predicted."""


def _maps(predictor: Predictor, rows: Sequence[Row], folder: Path, *, skip: bool) -> Troubles:
    """A GeoTIFF for every row."""
    outputs = output_paths(rows, root_of(predictor.settings), folder)
    _refuse_overwriting_inputs(rows, outputs)
    paths = dict(zip(rows, outputs, strict=True))
    return _each(predictor, rows, lambda row, prediction: predictor.task.write(prediction, paths[row]), skip=skip)


def _table(predictor: Predictor, rows: Sequence[Row], folder: Path, *, skip: bool) -> Troubles:
    """One table of all rows; it is written also if a row stops the run."""
    records: list[dict[str, object]] = []
    path = folder / "predictions.csv"
    _refuse_overwriting_inputs(rows, [path])

    def keep(row: Row, prediction: Prediction) -> None:
        records.append({INPUT: row.name, **predictor.task.record(prediction)})

    try:
        return _each(predictor, rows, keep, skip=skip)
    finally:
        if records:
            write_table(path, records)


def _each(predictor: Predictor, rows: Sequence[Row], use: Callable[[Row, Prediction], None], *, skip: bool) -> Troubles:
    """Predict row by row and hand each prediction on."""
    unseen, failed = [], []
    for done, row in enumerate(track(rows, "predicting", len(rows))):
        try:
            prediction = predictor.predict_row(row)
            use(row, prediction)
        except InstaGeoError as error:
            if not skip:
                raise DataError(
                    f"{row.name}: {error}; {done} of {len(rows)} predictions were written before"
                ) from error
            failed.append(f"{row.name}: {error}")
        else:
            if not prediction.valid.any():
                unseen.append(row.name)
    return unseen, failed


def output_paths(rows: Sequence[Row], root: str | Path, folder: Path) -> list[Path]:
    """One path per row below `folder`, mirroring the input's path below `root`; no two alike.

    `chip` in the file name becomes `prediction`; where that would make two outputs meet, the input's own name stays.
    """
    own = [below(row.input, root) for row in rows]
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
