"""Make the graph of an export of a loaded model."""

import copy
from collections.abc import Sequence
from datetime import date

import torch
from torch import Tensor

from instageo.errors import ConfigError
from instageo.model.backbones.variants import find_variant
from instageo.model.chips.dates_and_location import find_chip_coordinates
from instageo.model.exports.graph import ExportGraph
from instageo.model.exports.request import ExportRequest
from instageo.model.graphs.pixel_network import (
    NO_DATA_TOLERANCE,
    PixelNetwork,
    PixelScaler,
    PixelScaling,
    StackedPixelNetwork,
)
from instageo.model.graphs.program import InputShape
from instageo.model.inference.predictor import Predictor
from instageo.model.settings import Settings
from instageo.model.settings.derived import band_names
from instageo.model.tasks.regression import Regression
from instageo.wording import counted


def export_graph_from_settings(
    predictor: Predictor, request: ExportRequest, *, stacked: bool = False, resolution: float | None = None
) -> ExportGraph:
    """Return the graph that a request describes.

    Args:
        predictor: The model.
        request: What is inside the graph, and its size.
        stacked: Whether dates are stacked in channels and pixels divided by 255, with one input alone.
        resolution: Metres per pixel; None if unknown.

    Raises:
        ConfigError: The model takes no dates and location, or another number of dates.
    """
    settings, task = predictor.settings, predictor.task
    data, bands = settings.dataloader, band_names(settings)
    tile = request.tile or predictor.tiling.tile
    uses = find_variant(settings.model.model_name).coordinates
    fixed = _fixed_coordinates(request.dates, request.lat_lon, data.temporal_dim, uses=uses, needed=stacked)
    scaling = pixel_scaling_from_settings(settings)
    scaler = PixelScaler(scaling, tolerance=NO_DATA_TOLERANCE if stacked else 0.0)
    network = PixelNetwork(
        copy.deepcopy(predictor.net),
        None if request.normalized_input else scaler,
        None if request.logits else task,
        fixed if uses else _unknown(data.temporal_dim),
    )
    return ExportGraph(
        module=(StackedPixelNetwork(network, data.temporal_dim) if stacked else network).cpu().float().eval(),
        task=task,
        shape=InputShape(len(bands), data.temporal_dim, tile, tile),
        scaling=scaling,
        band_names=bands,
        class_names=() if isinstance(task, Regression) else tuple(predictor.class_names),
        coordinates=fixed,
        takes_coordinates=uses and fixed is None,
        normalized_input=request.normalized_input,
        logits=request.logits,
        stacked=stacked,
        resolution=resolution,
    )


def pixel_scaling_from_settings(settings: Settings) -> PixelScaling:
    """Return what turns stored pixels into the network's input."""
    data = settings.dataloader
    return PixelScaling(
        mean=tuple(data.given_mean or ()),
        std=tuple(data.std) if isinstance(data.std, list) else (),
        multiplier=data.constant_multiplier,
        offset=data.constant_offset,
        no_data=data.no_data_value,
        max_value=data.max_pixel_value,
        radar_unit=data.radar_unit,
    )


def _fixed_coordinates(
    dates: Sequence[date], lat_lon: tuple[float, float] | None, num_dates: int, *, uses: bool, needed: bool
) -> tuple[Tensor, Tensor] | None:
    """Return times (T, 2) and a location (2,) that hold for all images; None if they are inputs.

    Args:
        dates: Those of the user, one or one for each date of an image.
        lat_lon: That of the user.
        num_dates: T.
        uses: Whether the network takes them.
        needed: Whether they cannot be inputs; unknown ones are NaN.
    """
    given = bool(dates) or lat_lon is not None
    if given and not uses:
        raise ConfigError("date, location: the model takes no dates and location; remove them")
    if len(dates) not in (0, 1, num_dates):
        raise ConfigError(
            f"date: {len(dates)} are given; expected one, or one for each of {counted(num_dates, 'date')}"
        )
    if not uses or not (given or needed):
        return None
    days = list(dates) * num_dates if len(dates) == 1 else list(dates)
    time, location = find_chip_coordinates(days, lat_lon, None, {}, num_dates)
    return torch.from_numpy(time), torch.from_numpy(location)


def _unknown(num_dates: int) -> tuple[Tensor, Tensor]:
    return torch.full((num_dates, 2), torch.nan), torch.full((2,), torch.nan)
