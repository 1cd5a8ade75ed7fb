"""`mode=chip_inference`: a georeferenced class map for every chip of a table."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from instageo.errors import ConfigError, DataError, InstaGeoError
from instageo.locations import below, is_remote
from instageo.model.accounts.network import note_predictor
from instageo.model.figures import class_colors
from instageo.model.predictor import Prediction, Predictor, predictor_from
from instageo.model.settings import Run, require
from instageo.model.tables import checked_table, root_of, warn_of_another_unit
from instageo.progress import track
from instageo.raster import write_raster
from instageo.table import Row

log = logging.getLogger(__name__)


def chip_inference(run: Run) -> None:
    """Predict every chip of `test_filepath` on its own grid; labels are not needed."""
    settings = run.settings
    require(settings, "root_dir", "test_filepath", "checkpoint_path")
    predictor = predictor_from(settings, run.explicit)
    report = checked_table(replace(run, settings=predictor.settings), "test_filepath", labelled=False)
    warn_of_another_unit(predictor.settings, report)
    rows = list({row.input: row for row in report.rows}.values())
    if len(rows) < len(report.rows):
        log.info("%d chips are listed more than once; each is predicted once", len(report.rows) - len(rows))
    folder = _folder(run)
    outputs = output_paths(rows, root_of(settings), folder)
    _refuse_overwriting_inputs(rows, outputs)
    skip = settings.dataloader.on_bad_row == "skip"
    with run.notes.working_on(len(rows)):
        unseen, failed = _map_all(predictor, rows, outputs, skip=skip)
    note_predictor(run.notes, predictor)
    if unseen:
        log.warning("%d chips have no valid pixel and are all no-data: %s", len(unseen), ", ".join(unseen[:3]))
    if failed:
        log.warning("%d chips could not be predicted: %s", len(failed), "; ".join(failed[:3]))
    log.info("%d predictions in %s", len(rows) - len(failed), folder)


def _folder(run: Run) -> Path:
    chosen = run.settings.output_dir
    if chosen and is_remote(chosen):
        raise ConfigError(f"output_dir={chosen}: predictions are written to a local folder; name one")
    return Path(chosen) if chosen else run.folder / "predictions"


def _map_all(
    predictor: Predictor, rows: Sequence[Row], outputs: Sequence[Path], *, skip: bool
) -> tuple[list[str], list[str]]:
    """Names of chips without any valid pixel, and reasons why others could not be predicted."""
    unseen, failed = [], []
    for done, (row, path) in enumerate(track(zip(rows, outputs, strict=True), "predicting", len(rows))):
        try:
            if not _map(predictor, row, path):
                unseen.append(row.name)
        except InstaGeoError as error:
            if not skip:
                raise DataError(
                    f"{row.name}: {error}; {done} of {len(rows)} predictions were written before"
                ) from error
            failed.append(f"{row.name}: {error}")
    return unseen, failed


def _map(predictor: Predictor, row: Row, path: Path) -> bool:
    """Predict and write one chip; whether it has any valid pixel."""
    prediction = predictor.predict_row(row)
    write_prediction(prediction, predictor, path)
    return bool(prediction.valid.any())


def write_prediction(prediction: Prediction, predictor: Predictor, path: Path) -> None:
    """Write classes as GeoTIFF with no-data, class names and colours."""
    if prediction.grid is None:
        raise ValueError("a prediction of an array has no grid to write it on")
    colors = predictor.settings.model.class_colors
    write_raster(
        path,
        prediction.classes[None],
        prediction.grid,
        no_data_value=prediction.no_data_value,
        bands=["class"],
        class_names=predictor.class_names,
        class_colors=class_colors(colors, len(predictor.class_names)),
    )


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
