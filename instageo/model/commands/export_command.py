"""`instageo export`: a trained model as a file for other programs."""

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from instageo.arguments import as_dates, as_lat_lon
from instageo.errors import ConfigError
from instageo.extras import required_by
from instageo.runtime.progress import log_to_stderr

EXTRAS = "model,cpu,export"
"""Extras that the command needs."""


def export_command(
    model: Annotated[str, typer.Argument(help="Checkpoint, run folder, or name in the registry, registry:MODEL/SIZE.")],
    format: Annotated[str, typer.Option("--format", "-f", help="onnx, openvino, pt2 (PyTorch) or deepness (QGIS).")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; by default exports in the folder of the run.")
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            help="Table or folder of chips on which the file is compared with the network; by default the table that "
            "the model was validated on."
        ),
    ] = None,
    precision: Annotated[str, typer.Option(help="f32, or int8 (format openvino).")] = "f32",
    calibration: Annotated[
        str | None,
        typer.Option(help="For int8: table or folder of chips; by default the table that the model was trained on."),
    ] = None,
    tile: Annotated[int | None, typer.Option(help="Side of the images, pixels; by default that of training.")] = None,
    opset: Annotated[int | None, typer.Option(help="Operator set of ONNX, 17 to 23; by default 18.")] = None,
    normalized_input: Annotated[
        bool, typer.Option("--normalized-input", help="Take normalised images in place of pixels as files store them.")
    ] = False,
    logits: Annotated[
        bool, typer.Option("--logits", help="Give the network's outputs in place of probabilities or natural values.")
    ] = False,
    date: Annotated[
        list[str] | None,
        typer.Option(help="Fix the date of all images, YYYY-MM-DD, in place of an input; repeat for several dates."),
    ] = None,
    location: Annotated[
        str | None, typer.Option(help="Fix the location of all images, LATITUDE,LONGITUDE, in place of an input.")
    ] = None,
    resolution: Annotated[
        float | None, typer.Option(help="For deepness: metres per pixel; by default those of the chips.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Beginning of the files' names; by default that of the run.")] = None,
    no_gate: Annotated[
        bool, typer.Option("--no-gate", help="Write the file without comparing it; export.json says so.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")] = False,
) -> None:
    """Write a trained model as a file for other programs, if the file computes what the network does.

    Examples: instageo export runs/floods --format onnx -o exports

    instageo export registry:floods/tiny --format deepness --table val.csv -o qgis

    Pixels go in as files store them, and probabilities come out. Real chips go through the network and through the
    file; export.json says how they agree, and a file that differs is not written.
    """
    with required_by("instageo export", EXTRAS), log_to_stderr():
        from instageo.model.map_jobs.trained_model import load_model

        loaded = load_model(model, device="cpu")
        report = loaded.export(
            output,
            format=format,
            table=table,
            precision=precision,
            calibration=calibration,
            tile=tile,
            opset=opset,
            normalized_input=normalized_input,
            logits=logits,
            dates=as_dates("date", date or ()),
            lat_lon=as_lat_lon("location", _numbers(location)),
            resolution=resolution,
            name=name,
            gate=not no_gate,
        )
    if as_json:
        typer.echo(dumps({"files": [str(path) for path in report.files], **report.record}, indent=2))
        return
    for path in report.files:
        typer.echo(f"wrote {path}")
    for line in (report.summary, *report.notes):
        typer.echo(line)


def _numbers(text: str | None) -> list[float] | None:
    """Return numbers with commas between them."""
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"location={text} does not work; expected LATITUDE,LONGITUDE in degrees") from error
