"""`export.json`: what the files of a folder are, of which model they were made, and how they compare with it."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from instageo.errors import ConfigError
from instageo.files import write_errors, write_text
from instageo.model.exports.deepness_format import describe_unit
from instageo.model.exports.graph import ExportGraph
from instageo.model.graphs.exported_files import RECORD_FILE
from instageo.model.registry.published_paths import is_published_path
from instageo.model.tasks.multilabel import MultiLabel
from instageo.model.tasks.regression import Regression
from instageo.plain_values import load_json_file
from instageo.raster.map_products.stac_fields import classification_name
from instageo.stores.download import sha256_file
from instageo.stores.lock import LOCK
from instageo.stores.temporary_folder import NO_LOCK_ERRORS
from instageo.version import __version__

FLOAT = "float32"

INPUT_DESCRIPTIONS = {
    "time": "year and day of year (1 to 366) of each date; NaN if unknown",
    "location": "latitude and longitude, degrees; NaN if unknown",
}
"""What inputs other than the image hold."""


def describe_graph(graph: ExportGraph) -> dict[str, Any]:
    """Return the graph's inputs and outputs for users, and as the STAC extension for models (MLM) calls them."""
    image_level, task = graph.task.image_level, _stac_task(graph)
    dims = ["batch", *(["channel"] if graph.stacked else ["bands", "time"]), "height", "width"]
    axes = {"image": dims, "time": ["batch", "time", "coordinate"], "location": ["batch", "coordinate"]}
    texts = {"image": _describe_image(graph)} | INPUT_DESCRIPTIONS
    inputs = [
        {
            "name": name,
            "bands": list(graph.band_names) if name == "image" else [],
            "input": {"shape": [-1, *shape], "dim_order": axes[name], "data_type": FLOAT},
            "description": texts[name],
        }
        for name, shape in graph.inputs.items()
    ]
    if not graph.normalized_input:
        expression = "(x * multiplier + offset - mean) / std"
        inputs[0]["pre_processing_function"] = {"format": "text", "expression": f"inside the graph: {expression}"}
    size = [1, 1] if image_level else [graph.shape.height, graph.shape.width]
    result = {"shape": [-1, graph.num_outputs, *size], "dim_order": ["batch", "class", "height", "width"]}
    output: dict[str, Any] = {
        "name": "output", "tasks": [task], "result": {**result, "data_type": FLOAT},
        "description": _describe_output(graph),
    }  # fmt: skip
    if graph.class_names:
        output["classification:classes"] = [
            {"value": number, "name": classification_name(name), "description": name}
            for number, name in enumerate(graph.class_names)
        ]
    return {"mlm:input": inputs, "mlm:output": [output]}


def _stac_task(graph: ExportGraph) -> str:
    if isinstance(graph.task, Regression):
        return "regression"
    if isinstance(graph.task, MultiLabel):
        return "classification"
    return "scene-classification" if graph.task.image_level else "semantic-segmentation"


def _describe_image(graph: ExportGraph) -> str:
    dates = f"{graph.shape.dates} date(s), from the oldest"
    if graph.normalized_input:
        return f"{dates}; normalised with mean and std, 0 where nothing was observed"
    divided = ", divided by 255" if graph.stacked else ""
    return f"{dates}; pixels as stored{divided}, normalised inside the graph: {describe_unit(graph)}"


def _describe_output(graph: ExportGraph) -> str:
    if graph.logits:
        return "outputs of the network, before softmax, sigmoid or conversion to natural units"
    if isinstance(graph.task, Regression):
        return "values in natural units"
    return (
        "probability that each class applies" if isinstance(graph.task, MultiLabel) else "probabilities of the classes"
    )


def build_entry(
    graph: ExportGraph, format_name: str, precision: str, artifact_type: str, packages: Sequence[str]
) -> dict[str, Any]:
    """Return what is known of an export before it is written and compared, as plain values."""
    scaling = graph.scaling
    time, location = graph.coordinates or (None, None)
    return {
        "format": format_name,
        "precision": precision,
        "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "tile": graph.shape.width,
        "dates": graph.shape.dates,
        "bands": list(graph.band_names),
        "classes": list(graph.class_names),
        "input": "normalised" if graph.normalized_input else "pixels",
        "output": "logits" if graph.logits else "activated",
        "scaling": {
            "mean": list(scaling.mean), "std": list(scaling.std), "multiplier": scaling.multiplier,
            "offset": scaling.offset, "no_data": scaling.no_data, "max_value": scaling.max_value,
            "radar_unit": scaling.radar_unit,
        },
        "fixed_coordinates": None if time is None or location is None else [
            _plain_numbers(time.flatten().tolist()), _plain_numbers(location.tolist())
        ],
        "resolution_m": graph.resolution,
        "mlm:artifact_type": artifact_type,
        **describe_graph(graph),
        "versions": {"instageo": __version__} | {package: version(package) for package in packages},
    }  # fmt: skip


def _plain_numbers(numbers: Sequence[float]) -> list[float | None]:
    """Return numbers with None for NaN, which JSON does not have."""
    return [None if number != number else number for number in numbers]


def read_record(folder: Path) -> dict[str, Any]:
    """Return the content of a folder's `export.json`; with no exports if it does not exist.

    Raises:
        ConfigError: It is damaged, or may not be read.
    """
    path = folder / RECORD_FILE
    try:
        if not path.is_file():
            return {"exports": {}}
        record = load_json_file(path)
    except PermissionError as error:
        raise ConfigError(
            f"{path}: may not be read by this user; change its rights, or choose another folder"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: is damaged ({error}); remove the folder and export again") from error
    if problem := _describe_damage(record):
        raise ConfigError(f"{path}: is damaged: {problem}; remove the folder and export again")
    return dict(record)


def _describe_damage(record: object) -> str:
    """Return what is wrong with the content of an `export.json`; empty if it is as `add_entry` writes it.

    It may come from anyone, with the folder of a run, and its names become paths.
    """
    if not isinstance(record, dict) or not isinstance(record.get("exports"), dict):
        return "it lists no exports"
    model = record.get("model")
    if not (isinstance(model, dict) and isinstance(model.get("sha256"), str)) and (
        model is not None or record["exports"]
    ):
        return "it has no checksum of the model"
    for name, entry in record["exports"].items():
        if not isinstance(entry, dict) or not isinstance(files := entry.get("files"), dict):
            return f"{name!r} lists no files"
        if not all(isinstance(entry.get(key, ""), str) for key in ("format", "precision")):
            return f"{name!r} has a format or precision that is not a text"
        for file, recorded in files.items():
            if "/" in file or not is_published_path(file):
                return f"{file!r} is not the name of a file in this folder"
            if not isinstance(recorded, dict) or not isinstance(recorded.get("sha256"), str):
                return f"{file!r} has no checksum"
    return ""


def check_same_model(folder: Path, sha256: str, source: str) -> None:
    """Refuse a folder that holds exports of another model.

    Raises:
        ConfigError: It does.
    """
    model = read_record(folder).get("model") or {}
    if model and model.get("sha256") != sha256:
        raise ConfigError(
            f"{folder}: holds exports of another model, {model.get('source')}; choose another folder for "
            f"those of {source}"
        )


def publish_export(
    folder: Path, model: Mapping[str, Any], written: Sequence[Path], entry: Mapping[str, Any]
) -> tuple[list[Path], dict[str, Any]]:
    """Move an export's files into a folder and list them in its `export.json`: both or neither.

    Other processes that export into the folder wait meanwhile.

    Args:
        folder: Folder of the exports.
        model: Source, checksum and more of the model.
        written: The network's file first, all in one other folder of the same disk.
        entry: What is known of the export.

    Returns:
        The files in their places, and the entry with their checksums.

    Raises:
        ConfigError: The folder holds exports of another model, or its record is damaged.
        WriteError: The disk refuses a file.
    """
    files = {path.name: {"size": path.stat().st_size, "sha256": sha256_file(path)} for path in written}
    complete = {**entry, "files": files}
    with _locked(folder):
        check_same_model(folder, model["sha256"], model["source"])
        content = {"model": dict(model), "exports": {**read_record(folder)["exports"], written[0].name: complete}}
        _publish(written, folder, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return [folder / path.name for path in written], complete


def _publish(written: Sequence[Path], folder: Path, record: str) -> None:
    """Move files into a folder and write its record; after an error the folder is as it was."""
    former = written[0].parent / "former"
    former.mkdir()
    with ExitStack() as undo:
        for path in written:
            target = folder / path.name
            with write_errors(target, path):
                if target.is_file():
                    os.replace(target, former / path.name)
                    undo.callback(os.replace, former / path.name, target)
                os.replace(path, target)
            undo.callback(target.unlink)
        write_text(folder / RECORD_FILE, record)
        undo.pop_all()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until nobody else publishes into a folder; on disks without locks nobody waits."""
    from filelock import FileLock

    lock = FileLock(folder / LOCK)
    with suppress(*NO_LOCK_ERRORS):
        lock.acquire()
    try:
        yield
    finally:
        if not (folder / RECORD_FILE).exists():  # after an error in a new folder, which can then be removed
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()
