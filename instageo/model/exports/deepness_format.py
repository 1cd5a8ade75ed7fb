"""ONNX files for the QGIS plugin Deepness, which maps the layer that is open in QGIS."""

import json
from collections.abc import Sequence
from pathlib import Path

from instageo.model.exports.export_format import ExportFormat, ExportOptions
from instageo.model.exports.graph import ExportGraph
from instageo.model.exports.onnx_format import load_onnx, write_onnx
from instageo.model.graphs.opsets import OLD_OPSET
from instageo.model.inference.tiling import default_overlap
from instageo.model.tasks.segmentation import Segmentation

RGB = ("RED", "GREEN", "BLUE")
"""Bands that a plain picture shows, in its order."""


def find_obstacle(graph: ExportGraph) -> str | None:
    """Return why the plugin cannot use a graph; None if it can."""
    if not isinstance(graph.task, Segmentation) or graph.task.image_level:
        return "the plugin maps classes of pixels, and this model predicts something else; use format=onnx"
    if graph.normalized_input or graph.logits:
        return "the plugin gives pixels and expects probabilities; remove normalized_input and logits"
    if len(graph.class_names) < 2:
        return "the plugin maps classes, and this model has one"
    if graph.resolution is None:
        return (
            "the plugin needs the size of a pixel, and no chips with a georeference say it; give resolution "
            "(--resolution), metres per pixel, or such chips as table (--table)"
        )
    return None


def write_deepness(graph: ExportGraph, path: Path, options: ExportOptions) -> None:
    """Write a graph and what the plugin reads from the file's metadata, and a text on its layers next to it."""
    metadata = {key: json.dumps(value, ensure_ascii=False) for key, value in plugin_metadata(graph).items()}
    write_onnx(graph, path, ExportOptions(OLD_OPSET, metadata={**metadata, **options.metadata}))
    path.with_suffix(".txt").write_text("\n".join(describe_layers(graph)) + "\n", encoding="utf-8")


def plugin_metadata(graph: ExportGraph) -> dict[str, object]:
    """Return what the plugin reads from a file; mean and std are left out, since the graph normalises."""
    return {
        "model_type": "Segmentor",
        "class_names": {str(number): name for number, name in enumerate(graph.class_names)},
        "resolution": round(100 * (graph.resolution or 0), 3),
        "tile_size": graph.shape.width,
        "tiles_overlap": overlap_percent(graph.shape.width),
        "seg_thresh": 0,
    }


def overlap_percent(tile: int) -> int:
    """Return how much of a tile's side neighbours share, the least whole percentage that is enough for maps."""
    return -(-100 * default_overlap(tile) // tile)


def describe_layers(graph: ExportGraph) -> list[str]:
    """Return sentences on the layers that the plugin must be given, in their order."""
    dates, bands = graph.shape.dates, graph.band_names
    names = [f"{band} (date {date + 1})" if dates > 1 else band for date in range(dates) for band in bands]
    listed = ", ".join(f"{number} {name}" for number, name in enumerate(names, start=1))
    lines = [
        f"In Deepness, set the input channels in this order: {listed}.",
        f"Pixels are given as files store them: {describe_unit(graph)}.",
        f"Pixel size {graph.resolution:g} m, tiles of {graph.shape.width} pixels.",
    ]
    if set(RGB) <= set(bands):
        order = ", ".join(str(names.index(name) + 1) for name in names[: len(bands)] if name.partition(" ")[0] in RGB)
        lines.append(f"Blue, green and red are not the first layers of a picture in RGB order: they are {order} here.")
    if graph.coordinates is not None:
        time, location = (part.tolist() for part in graph.coordinates)
        lines.append(f"Date (year, day of year) and location (latitude, longitude) are fixed: {time}, {location}.")
    return lines


def describe_unit(graph: ExportGraph) -> str:
    """Return in words what the network makes of stored pixels."""
    scaling = graph.scaling
    unit = f"they are multiplied by {scaling.multiplier:g}" if scaling.multiplier != 1 else "no factor"
    unit += f", {scaling.offset:+g} is added" if scaling.offset else ""
    if scaling.radar_unit is not None:
        unit += f", radar backscatter as {'power' if scaling.radar_unit == 'linear' else 'decibels'}"
    no_data = "NaN" if scaling.no_data is None else f"{scaling.no_data:g} or NaN"
    return f"{unit}; {no_data} means no observation"


def join_notes(graph: ExportGraph) -> list[str]:
    """Return the sentences for the user who exports."""
    lines: Sequence[str] = describe_layers(graph)
    return list(lines[:1])


FORMAT = ExportFormat(
    suffix="_deepness.onnx",
    artifact_type="torch.onnx.export",
    packages=("torch", "onnx", "onnxscript", "onnxruntime"),
    write=write_deepness,
    load=load_onnx,
    find_obstacle=find_obstacle,
    stacked=True,
    notes=join_notes,
)
