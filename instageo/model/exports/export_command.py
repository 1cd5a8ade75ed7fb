"""`instageo export` and `mode=export`: a trained model as a file for other programs."""

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instageo.errors import ConfigError, InstaGeoError
from instageo.extras import required_by
from instageo.model.settings.keys import cut_advice
from instageo.runtime.progress import log_to_stderr
from instageo.wording import option_flag

if TYPE_CHECKING:
    from instageo.model.context import Run
    from instageo.model.exports.request import ExportReport

log = logging.getLogger(__name__)

EXTRAS = "model,cpu,export"
"""Extras that the command needs."""

DESCRIPTION = """Write a trained model as a file for other programs, if the file computes what the network does.

Examples: instageo export runs/floods --format onnx -o exports

instageo export registry:floods/tiny --format deepness --table val.csv -o qgis

Pixels go in as files store them, and probabilities come out. Real chips go through the network and through the file;
export.json says how they agree, and a file that differs is not written.
"""

OPTIONS: tuple[tuple[str, tuple[str, ...], Any, Any, str], ...] = (
    ("format", ("-f",), str, inspect.Parameter.empty, "onnx, openvino, pt2 (PyTorch) or deepness (QGIS)."),
    ("output", ("-o",), Path | None, None, "Folder; by default exports in the folder of the run."),
    (
        "table", (), str | None, None,
        "Table or folder of chips on which the file is compared with the network; by default the table that the model "
        "was validated on.",
    ),
    ("precision", (), str, "f32", "f32, or int8 (format openvino)."),
    (
        "calibration", (), str | None, None,
        "For int8: table or folder of chips; by default the table that the model was trained on.",
    ),
    ("tile", (), int | None, None, "Side of the images, pixels; by default that of training."),
    ("opset", (), int | None, None, "Operator set of ONNX, 17 to 23; by default 18."),
    ("normalized_input", (), bool, False, "Take normalised images in place of pixels as files store them."),
    ("logits", (), bool, False, "Give the network's outputs in place of probabilities or natural values."),
    (
        "date", (), list[str] | None, None,
        "Fix the date of all images, YYYY-MM-DD, in place of an input; repeat for several dates.",
    ),
    (
        "location", (), str | None, None,
        "Fix the location of all images, LATITUDE,LONGITUDE, in place of an input.",
    ),
    ("resolution", (), float | None, None, "For deepness: metres per pixel; by default those of the chips."),
    ("name", (), str | None, None, "Beginning of the files' names; by default that of the run."),
    ("no_gate", (), bool, False, "Write the file without comparing it; export.json says so."),
    ("json", (), bool, False, "Print what was made as JSON."),
)  # fmt: skip
"""Options: name, further flags, type, default, help."""


def make_export_command() -> Callable[..., None]:
    """Return the command as a function for Typer."""
    model = Annotated[str, typer.Argument(help="Checkpoint, run folder, or name in the registry, registry:MODEL/SIZE.")]
    parameters = [inspect.Parameter("model", inspect.Parameter.KEYWORD_ONLY, annotation=model)]
    for name, flags, kind, default, text in OPTIONS:
        option: Any = Annotated[kind, typer.Option(option_flag(name), *flags, help=text)]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option))

    def command(**values: Any) -> None:
        _run(values)

    command.__doc__ = DESCRIPTION
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _run(values: dict[str, Any]) -> None:
    options = {name: values[name] for name, *_ in OPTIONS if name not in ("date", "location", "no_gate", "json")}
    options |= {"dates": values["date"] or (), "lat_lon": _numbers(values["location"]), "gate": not values["no_gate"]}
    checked = {name: value for name, value in options.items() if name not in ("format", "output", "name")}
    with required_by("instageo export", EXTRAS), log_to_stderr(), _without_settings():
        from instageo.model.exports.request import check_options

        check_options(values["format"], values["name"], checked)
        from instageo.model.map_jobs.trained_model import load_model

        report = load_model(values["model"], device="cpu").export(**options)
    if values["json"]:
        typer.echo(dumps({"files": [str(path) for path in report.files], **report.record}, indent=2))
        return
    for line in _describe(report):
        typer.echo(line)


def export(run: "Run") -> None:
    """Write the model at `checkpoint_path` in the format `export.format`, as the command does."""
    from instageo.model.exports.export_model import export_model
    from instageo.model.exports.request import build_request, check_options
    from instageo.model.inference.predictor import predictor_from_settings
    from instageo.model.settings import require_settings
    from instageo.model.tracking.network_summary import record_predictor

    require_settings(run.settings, "checkpoint_path", "export.format")
    options = asdict(run.settings.export)
    format_name, output, name = (options.pop(key) for key in ("format", "output", "name"))
    options["lat_lon"] = options["lat_lon"] or None
    check_options(format_name, name, options)
    predictor = predictor_from_settings(run.settings, run.explicit, "cpu")
    request = build_request(str(run.settings.checkpoint_path), output, format_name, name, options)
    report = export_model(predictor, request)
    record_predictor(run.info, predictor)
    for line in _describe(report):
        log.info("%s", line)


def _describe(report: "ExportReport") -> list[str]:
    return [*(f"wrote {path}" for path in report.files), report.summary, *report.notes]


@contextmanager
def _without_settings() -> Iterator[None]:
    """Leave out of errors what they advise on settings, which this command does not take."""
    try:
        yield
    except InstaGeoError as error:
        sentence = cut_advice(str(error))
        if sentence in ("", str(error)):
            raise
        raise ConfigError(sentence) from error


def _numbers(text: str | None) -> list[float] | None:
    """Return numbers with commas between them."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"location={text} does not work; expected LATITUDE,LONGITUDE in degrees") from error


export_command = make_export_command()
