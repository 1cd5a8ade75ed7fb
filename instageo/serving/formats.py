"""Convert predictions to the formats of responses: maps, pictures, numbers."""

import io
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instageo.model.figures.colors import class_colors
from instageo.model.figures.rgb import POLARISATIONS, percentile_limits, rgb_image, select_rgb, stretch
from instageo.model.inference.predictor import Predictor
from instageo.model.tasks.predictions import ClassPrediction, MultiLabelPrediction, Prediction, RegressionPrediction
from instageo.raster.cog import write_cog
from instageo.raster.pixel_area import compute_pixel_areas
from instageo.raster.writing import write_raster

COLOR_RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Colours of continuous values from low to high."""

MAX_PNG_SIDE = 1024
"""Longest side of a PNG, pixels."""


class OutputFormat(StrEnum):
    """Formats of predictions."""

    tif = "tif"
    png = "png"
    json = "json"
    npy = "npy"


MEDIA_TYPES = {
    OutputFormat.tif: "image/tiff; application=geotiff; profile=cloud-optimized",
    OutputFormat.png: "image/png",
    OutputFormat.json: "application/json",
    OutputFormat.npy: "application/x-npy",
}


def encode_tif(predictor: Predictor, prediction: Prediction, *, probabilities: bool) -> bytes:
    """Return a Cloud-Optimized GeoTIFF with the values of `mode=chip_inference`, or probabilities as float32 layers."""
    with tempfile.TemporaryDirectory() as folder:
        plain, optimized = Path(folder) / "plain.tif", Path(folder) / "prediction.tif"
        grid = prediction.grid
        if probabilities and grid is not None and not isinstance(prediction, RegressionPrediction):
            layers = prediction.probabilities
            layers = np.ascontiguousarray(np.broadcast_to(layers, (len(layers), *grid.shape)))  # if image-level
            write_raster(plain, layers, grid, no_data_value=np.nan, bands=predictor.class_names)
        else:
            prediction.save(plain)
        write_cog(plain, optimized)
        return optimized.read_bytes()


def encode_npy(prediction: Prediction, *, probabilities: bool) -> bytes:
    """Return the layers of a prediction, (H, W) or (K, H, W), in NumPy's format."""
    layers: NDArray[Any]
    if isinstance(prediction, RegressionPrediction):
        quantiles = prediction.quantiles
        layers = np.stack([prediction.values, *quantiles.values()]) if quantiles else prediction.values
    elif probabilities:
        layers = prediction.probabilities
    else:
        layers = prediction.classes if isinstance(prediction, ClassPrediction) else prediction.applies
    out = io.BytesIO()
    np.save(out, layers, allow_pickle=False)
    return out.getvalue()


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture as PNG; every n-th pixel, so that no side is longer than MAX_PNG_SIDE."""
    step = max(1, -(-max(pixels.shape[:2]) // MAX_PNG_SIDE))
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[::step, ::step])).save(out, "PNG")
    return out.getvalue()


def summarize_prediction(predictor: Predictor, prediction: Prediction, model: str) -> dict[str, Any]:
    """Return pixels, shares and areas of classes, or statistics of continuous values, as the format `json` has them."""
    valid, grid = prediction.valid, prediction.grid
    summary: dict[str, Any] = {
        "model": model,
        "task": "regression" if isinstance(prediction, RegressionPrediction) else "classification",
        "width": grid.width if grid else valid.shape[1],
        "height": grid.height if grid else valid.shape[0],
        "valid_share": round(float(valid.mean()), 6),
        "bounds_lonlat": grid.bounds_lonlat() if grid else None,
        "unlike_training": dict(prediction.unlike_training),
    }
    if predictor.task.image_level:
        return summary | {"chip": predictor.task.to_record(prediction)}
    if isinstance(prediction, RegressionPrediction):
        return summary | {"values": _statistics(prediction.values[valid])}
    return summary | {"classes": summarize_classes(predictor, prediction)}


def summarize_classes(predictor: Predictor, prediction: ClassPrediction | MultiLabelPrediction) -> list[dict[str, Any]]:
    """Return the name, colour, pixels and area of each class."""
    names = predictor.class_names
    colors = class_colors(predictor.settings.model.class_colors, names)
    areas = compute_pixel_areas(prediction.grid) if prediction.grid and not predictor.task.image_level else None
    classes = []
    for value, name in enumerate(names):
        if isinstance(prediction, ClassPrediction):
            predicted = (prediction.classes == value) & prediction.valid
        else:
            predicted = (prediction.applies[value] == 1) & prediction.valid
        rows = np.count_nonzero(predicted, axis=1)
        area = None if areas is None else round(areas.sum_km2(predicted), 6)
        color = _to_hex(colors[value])
        classes.append({"value": value, "name": name, "color": color, "pixels": int(rows.sum()), "area_km2": area})
    return classes


def _statistics(values: NDArray[np.float32]) -> dict[str, float | int | None]:
    if not values.size:
        return {"count": 0, "min": None, "max": None, "mean": None, "std": None}
    exact = values.astype(np.float64)
    statistics = {"min": exact.min(), "max": exact.max(), "mean": exact.mean(), "std": exact.std()}
    return {"count": int(values.size), **{name: round(float(value), 6) for name, value in statistics.items()}}


def render_prediction(predictor: Predictor, prediction: Prediction) -> NDArray[np.uint8]:
    """Return the colours of a prediction, (H, W, 4), transparent where nothing was observed."""
    alpha = np.where(prediction.valid, 255, 0)
    if isinstance(prediction, RegressionPrediction):
        limits = percentile_limits(prediction.values, prediction.valid)
        positions = stretch(prediction.values, limits) * (len(COLOR_RAMP) - 1)
        channels = [np.interp(positions, range(len(COLOR_RAMP)), channel) for channel in zip(*COLOR_RAMP, strict=True)]
        return np.dstack([*channels, alpha]).astype(np.uint8)
    colors = class_colors(predictor.settings.model.class_colors, predictor.class_names)
    lookup = np.array([colors[value] for value in range(len(colors))], dtype=np.uint8)
    classes = prediction.classes if isinstance(prediction, ClassPrediction) else prediction.probabilities.argmax(0)
    return np.dstack([lookup[np.minimum(classes, len(lookup) - 1)], alpha.astype(np.uint8)])


def describe_color_ramp(prediction: RegressionPrediction) -> dict[str, Any]:
    """Return the colours of a rendered regression, and the values of the first and the last of them."""
    low, high = percentile_limits(prediction.values, prediction.valid)
    return {"low": round(low, 6), "high": round(high, 6), "colors": [_to_hex(color) for color in COLOR_RAMP]}


def _to_hex(color: tuple[int, ...]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def render_image(image: NDArray[np.float32], valid: NDArray[np.bool_], bands: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return the newest date of an image (C, T, H, W) as (H, W, 4): red, green and blue, or the first band instead.

    Radar is drawn as `select_rgb` says.
    """
    if set(POLARISATIONS) <= set(bands):
        return rgb_image(select_rgb(image[:, -1], bands)[0], valid[-1])
    indices = [bands.index(name) if name in bands else 0 for name in ("RED", "GREEN", "BLUE")]
    return rgb_image(image[indices, -1], valid[-1])
