"""`mode=chip_inference`: write a georeferenced map for every chip of a table, or a table of image-level predictions."""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from instageo.errors import ConfigError, DataError
from instageo.extras import required_by
from instageo.locations import is_remote, relative_path
from instageo.model.chips.distribution_shift import describe_unlike
from instageo.model.context import Run
from instageo.model.gpu.batches import count_readers, predict_on_gpu
from instageo.model.inference.backend_choice import choose_for_chips, chosen_backend, use_named_backend
from instageo.model.inference.batch import PredictionItem, PredictionOutcome, predict_items, remove_partial_files
from instageo.model.inference.fingerprint import model_fingerprint
from instageo.model.inference.journal import Journal
from instageo.model.inference.predictor import Predictor, predictor_from_settings
from instageo.model.inspection.report import TableReport, summarize_reasons
from instageo.model.inspection.tables import inspect_table
from instageo.model.inspection.units import warn_if_units_differ
from instageo.model.networks.device import pick_device
from instageo.model.settings import Engine, require_settings
from instageo.model.settings.derived import table_root
from instageo.model.tracking.network_summary import record_predictor
from instageo.runtime.progress import track
from instageo.table import INPUT, Row, write_table
from instageo.wording import counted

log = logging.getLogger(__name__)

READ_AHEAD = 4
"""Chips that are read in advance."""

LARGE_IMAGE_BYTES = 32e6
"""Size of an image in memory from which no further image is read in advance."""


def chip_inference(run: Run) -> None:
    """Predict every chip of `test_filepath`; labels are not needed.

    Writes a map for each chip on the chip's own grid, or one table of image-level predictions, `predictions.csv`.
    Predictions that an earlier run made in the same folder, by the same model of the same chip, are kept. Chips that
    cannot be predicted do not stop the others; they are listed in `failed_rows_test.csv` in the run's folder.
    """
    settings = run.settings
    require_settings(settings, "root_dir", "test_filepath", "checkpoint_path")
    local = settings.engine.kind is Engine.local
    predictor = predictor_from_settings(settings, run.explicit, None if local else "cpu")
    report = inspect_table(replace(run, settings=predictor.settings), "test_filepath", labelled=False)
    predictor.said.update(report.notes)
    predictor.announce(report.layers)
    if predictor.value_range is None:
        warn_if_units_differ(predictor.settings, report)
    rows = list({row.input: row for row in report.rows}.values())
    folder = _output_folder(run)
    items = _build_items(predictor, rows, folder)
    predictor = _with_backend(predictor, report, rows, local=local)
    fingerprint = model_fingerprint(predictor.settings, predictor.engine)
    journal = Journal(folder, fingerprint)
    outcomes = journal.finished(items)
    remaining = [item for item in items if item.row.input not in outcomes]
    if outcomes:
        log.info("%d of %s made before and kept", len(outcomes), counted(len(items), "prediction", "were"))
    try:
        with run.info.working_on(len(remaining)):
            new = _predict(run, predictor, fingerprint, remaining, _image_bytes(report)) if remaining else ()
            for outcome in track(new, "predicting", len(remaining)):
                journal.append(outcome)
                outcomes[outcome.input] = outcome
    finally:
        remove_partial_files(remaining)
        if predictor.task.image_level:
            _write_records(folder / "predictions.csv", rows, outcomes)
    record_predictor(run.info, predictor)
    _report_outcomes(run, rows, outcomes, folder)


def _output_folder(run: Run) -> Path:
    chosen = run.settings.output_dir
    if chosen and is_remote(chosen):
        raise ConfigError(f"output_dir={chosen}: predictions are written to a local folder; set output_dir to one")
    return Path(chosen).expanduser() if chosen else run.folder / "predictions"


def _build_items(predictor: Predictor, rows: Sequence[Row], folder: Path) -> list[PredictionItem]:
    if predictor.task.image_level:
        _check_inputs_safe(rows, [folder / "predictions.csv"])
        return [PredictionItem(row, None) for row in rows]
    outputs = build_output_paths(rows, table_root(predictor.settings), folder)
    _check_inputs_safe(rows, outputs)
    return [PredictionItem(row, output) for row, output in zip(rows, outputs, strict=True)]


def _with_backend(predictor: Predictor, report: TableReport, rows: Sequence[Row], *, local: bool) -> Predictor:
    """Choose what computes the network in this process, or in all processes on Ray."""
    settings = predictor.settings
    device = predictor.device.type if local else pick_device(settings.accelerator)
    if not local and (settings.ray.address is not None or device != "cpu"):
        return use_named_backend(predictor, device)
    shapes = {row.input: (stats.height, stats.width) for row, stats in zip(report.rows, report.row_stats, strict=True)}
    return choose_for_chips(
        predictor, lambda index: predictor.read_row(rows[index])[0], [shapes[row.input] for row in rows]
    )


def _image_bytes(report: TableReport) -> int:
    """Return the size of the largest image, float32."""
    height, width = report.max_shape
    return 4 * report.num_layers * height * width


def _predict(
    run: Run, predictor: Predictor, fingerprint: str, items: Sequence[PredictionItem], image_bytes: int
) -> Iterator[PredictionOutcome]:
    """Return an iterator of outcomes by the engine of the settings."""
    ahead = READ_AHEAD if image_bytes < LARGE_IMAGE_BYTES else 0
    if run.settings.engine.kind is Engine.local:
        if predictor.device.type == "cuda" and (num_processes := count_readers(image_bytes)):
            return predict_on_gpu(predictor, items, num_processes)
        return predict_items(predictor, items, ahead)
    with required_by("engine=ray", "model,cpu,serve"):
        from instageo.model.inference.ray_engine import predict_on_ray
    return predict_on_ray(run.settings, run.explicit, fingerprint, items, ahead, chosen_backend(predictor))


def _write_records(path: Path, rows: Sequence[Row], outcomes: dict[str, PredictionOutcome]) -> None:
    """Write the image-level predictions made so far as one table, in the order of the rows."""
    available = [(row, outcomes[row.input].record) for row in rows if row.input in outcomes]
    records = [{INPUT: row.name, **record} for row, record in available if record]
    if records:
        write_table(path, records)


def _report_outcomes(run: Run, rows: Sequence[Row], outcomes: dict[str, PredictionOutcome], folder: Path) -> None:
    """Log the outcomes of all rows, and list failures.

    Raises:
        DataError: A chip could not be predicted, and `dataloader.on_bad_row` is `error`.
    """
    empty = [row.name for row in rows if not outcomes[row.input].any_valid]
    if empty:
        log.warning("%s no valid pixel; all is no-data: %s", counted(len(empty), "chip", "have"), ", ".join(empty[:3]))
    predicted = [outcomes[row.input] for row in rows if outcomes[row.input].error is None]
    if unlike := describe_unlike([outcome.unlike_training for outcome in predicted if outcome.any_valid]):
        log.warning("%s", unlike)
    failed = [(row, f"{row.name}: {error}") for row in rows if (error := outcomes[row.input].error)]
    log.info("%s in %s", counted(len(rows) - len(failed), "prediction"), folder)
    if not failed:
        return
    path = run.folder / "failed_rows_test.csv"
    write_table(path, [{INPUT: row.name, "reason": reason} for row, reason in failed])
    reasons = summarize_reasons(failed)
    message = f"{len(failed)} of {counted(len(rows), 'chip')} could not be predicted: {reasons}; see the list in {path}"
    if run.settings.dataloader.on_bad_row == "error":
        raise DataError(f"{message}. The others are in {folder}")
    log.warning("%s", message)


def build_output_paths(rows: Sequence[Row], root: str | Path, folder: Path) -> list[Path]:
    """Return a different path below `folder` for each row, like the path of its input below `root`.

    `chip` in the file name becomes `prediction`; where two outputs would get the same name, the input's name is kept.

    Raises:
        DataError: Two inputs would still be written to the same path.
    """
    own = [relative_path(row.input, root) for row in rows]
    renamed = [path.with_name(path.stem.replace("chip", "prediction") + ".tif") for path in own]
    taken = Counter([*renamed, *(path for path, new in zip(own, renamed, strict=True) if path != new)])
    chosen = [
        new if taken[new] == 1 else old.with_name(old.name + ("" if old.suffix == ".tif" else ".tif"))
        for old, new in zip(own, renamed, strict=True)
    ]
    duplicates = [path for path, count in Counter(chosen).items() if count > 1]
    if duplicates:
        names = [row.input for row, path in zip(rows, chosen, strict=True) if path == duplicates[0]]
        raise DataError(f"{' and '.join(names)} would both be written to {duplicates[0]}; rename one of them")
    return [folder / path for path in chosen]


def _check_inputs_safe(rows: Sequence[Row], outputs: Sequence[Path]) -> None:
    """Raise if a prediction would overwrite a chip or a label of the table."""
    files = [name for row in rows for name in (row.input, row.label) if name]
    inputs = {os.path.abspath(name) for name in files if not is_remote(name)}
    for path in outputs:
        if os.path.abspath(path) in inputs:
            raise DataError(f"the prediction {path} would overwrite a file of the table; choose another output_dir")
