"""What a prediction is answered as: a map, a picture, numbers."""

import io
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.model.figures.canvas import class_colors
from instageo.model.inference.predictor import Predictor
from instageo.model.tasks.predictions import ClassPrediction, MultiLabelPrediction, Prediction, RegressionPrediction
from instageo.raster.cog import write_cog
from instageo.raster.grid import Grid
from instageo.raster.pixel_area import row_areas_km2
from instageo.raster.writing import write_raster

RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Colours of values from low to high."""

PREVIEW = 1024
"""Longest side of a picture, pixels."""


class OutputFormat(StrEnum):
    """Kinds of answers."""

    tif = "tif"
    png = "png"
    json = "json"
    npy = "npy"


FORMATS = {
    OutputFormat.tif: "image/tiff; application=geotiff; profile=cloud-optimized",
    OutputFormat.png: "image/png",
    OutputFormat.json: "application/json",
    OutputFormat.npy: "application/x-npy",
}
"""Media types."""


def numbers(prediction: Prediction, *, probabilities: bool) -> NDArray[Any]:
    """The layers of a prediction, (H, W) or (K, H, W)."""
    if isinstance(prediction, RegressionPrediction):
        return (
            np.stack([prediction.values, *prediction.quantiles.values()]) if prediction.quantiles else prediction.values
        )
    if probabilities:
        return prediction.probabilities
    return prediction.classes if isinstance(prediction, ClassPrediction) else prediction.applies


def as_npy(prediction: Prediction, *, probabilities: bool) -> bytes:
    """NumPy's own format."""
    out = io.BytesIO()
    np.save(out, numbers(prediction, probabilities=probabilities), allow_pickle=False)
    return out.getvalue()


def as_tif(predictor: Predictor, prediction: Prediction, *, probabilities: bool) -> bytes:
    """A Cloud-Optimized GeoTIFF with the values of `mode=chip_inference`, or the probabilities as float32 layers."""
    with tempfile.TemporaryDirectory() as folder:
        plain, optimised = Path(folder) / "plain.tif", Path(folder) / "prediction.tif"
        grid = prediction.grid
        if probabilities and grid is not None and not isinstance(prediction, RegressionPrediction):
            layers = _on(grid, prediction.probabilities)
            write_raster(plain, layers, grid, no_data_value=np.nan, bands=predictor.class_names)
        else:
            predictor.task.write(prediction, plain)
        write_cog(plain, optimised)
        return optimised.read_bytes()


def _on(grid: Grid, layers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Layers on a grid; what is said of a chip as a whole is said of all its pixels."""
    return np.ascontiguousarray(np.broadcast_to(layers, (len(layers), *grid.shape)))


def summary(predictor: Predictor, prediction: Prediction, model: str) -> dict[str, Any]:
    """Counts, shares and areas of classes, or the spread of values."""
    valid, grid = prediction.valid, prediction.grid
    told: dict[str, Any] = {
        "model": model,
        "task": "regression" if isinstance(prediction, RegressionPrediction) else "classification",
        "width": grid.width if grid else valid.shape[1],
        "height": grid.height if grid else valid.shape[0],
        "valid_share": round(float(valid.mean()), 6),
        "bounds_lonlat": grid.bounds_lonlat() if grid else None,
    }
    if predictor.task.image_level:
        return told | {"chip": predictor.task.record(prediction)}
    if isinstance(prediction, RegressionPrediction):
        return told | {"values": _spread(prediction.values[valid])}
    return told | {"classes": legend(predictor, prediction)}


def legend(predictor: Predictor, prediction: ClassPrediction | MultiLabelPrediction) -> list[dict[str, Any]]:
    """Name, colour, pixels and area of each class."""
    names = predictor.class_names
    colors = class_colors(predictor.settings.model.class_colors, len(names))
    areas = row_areas_km2(prediction.grid) if prediction.grid and not predictor.task.image_level else None
    lines = []
    for value, name in enumerate(names):
        if isinstance(prediction, ClassPrediction):
            chosen = (prediction.classes == value) & prediction.valid
        else:
            chosen = (prediction.applies[value] == 1) & prediction.valid
        rows = np.count_nonzero(chosen, axis=1)
        area = None if areas is None else round(float(rows @ areas), 6)
        color = _hex(colors[value])
        lines.append({"value": value, "name": name, "color": color, "pixels": int(rows.sum()), "area_km2": area})
    return lines


def _spread(values: NDArray[np.float32]) -> dict[str, float | int | None]:
    if not values.size:
        return {"count": 0, "min": None, "max": None, "mean": None, "std": None}
    exact = values.astype(np.float64)
    found = {"min": exact.min(), "max": exact.max(), "mean": exact.mean(), "std": exact.std()}
    return {"count": int(values.size), **{name: round(float(value), 6) for name, value in found.items()}}


def picture(predictor: Predictor, prediction: Prediction) -> NDArray[np.uint8]:
    """Colours of a prediction, (H, W, 4), transparent where nothing was observed."""
    if isinstance(prediction, RegressionPrediction):
        return _ramp(prediction.values, prediction.valid)
    table = class_colors(predictor.settings.model.class_colors, len(predictor.class_names))
    chosen = prediction.classes if isinstance(prediction, ClassPrediction) else prediction.probabilities.argmax(0)
    lookup = np.array([table[value] for value in range(len(table))], dtype=np.uint8)
    colors = lookup[np.minimum(chosen, len(lookup) - 1)]
    return np.dstack([colors, np.where(prediction.valid, 255, 0).astype(np.uint8)])


def ramp(prediction: RegressionPrediction) -> dict[str, Any]:
    """The colours of a picture of values: from low, the 2nd percentile of what was observed, to high, the 98th."""
    low, high = _ends(prediction.values, prediction.valid)
    return {"low": round(low, 6), "high": round(high, 6), "colors": [_hex(color) for color in RAMP]}


def _ramp(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    low, high = _ends(values, valid)
    share = np.clip(np.nan_to_num((values - low) / max(high - low, 1e-12)), 0, 1) * (len(RAMP) - 1)
    channels = [np.interp(share, range(len(RAMP)), column) for column in zip(*RAMP, strict=True)]
    return np.dstack([*channels, np.where(valid, 255, 0)]).astype(np.uint8)


def _ends(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> tuple[float, float]:
    """The darkest and the brightest value of a picture."""
    if not valid.any():
        return 0.0, 1.0
    low, high = np.percentile(values[valid], (2, 98))
    return float(low), float(high)


def _hex(color: tuple[int, ...]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def as_png(pixels: NDArray[np.uint8]) -> bytes:
    """A picture no longer than PREVIEW on either side, every n-th pixel of the image."""
    from PIL import Image

    step = max(1, -(-max(pixels.shape[:2]) // PREVIEW))
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[::step, ::step])).save(out, "PNG")
    return out.getvalue()


def view(image: NDArray[np.float32], valid: NDArray[np.bool_], bands: tuple[str, ...]) -> NDArray[np.uint8]:
    """The newest date of an image (C, T, H, W) for the eye: red, green and blue if it has them, (H, W, 4)."""
    wanted = [bands.index(name) if name in bands else 0 for name in ("RED", "GREEN", "BLUE")]
    seen = valid[-1]
    layers = []
    for layer in image[wanted, -1]:
        low, high = _ends(layer, seen)
        layers.append(np.clip((layer - low) / max(high - low, 1e-12), 0, 1) * 255)
    return np.dstack([*layers, np.where(seen, 255, 0)]).astype(np.uint8)
