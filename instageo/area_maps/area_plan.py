"""What it takes to map an area, before any pixel is read: tiles, images, bytes, and time."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from instageo.area_maps.preparation.area import Area
from instageo.area_maps.preparation.area_scene import AreaScene
from instageo.area_maps.preparation.image_search import ImageSearch
from instageo.data.composites.composite_scene import CompositeImage, CompositeScene
from instageo.data.reading.catalog_files import CatalogFile, UnusableFileError
from instageo.data.reading.estimate import estimate
from instageo.data.reading.requests import AssetRead
from instageo.locations import is_remote
from instageo.model.chips.sample import Sample
from instageo.model.inference.backend_choice import noise_tiles
from instageo.model.inference.predictor import Predictor
from instageo.raster.grid import Grid
from instageo.runtime.progress import format_duration
from instageo.wording import counted

MAX_SAMPLED = 4
"""Tiles whose first image's headers are read, to know how large blocks are."""

LINK_MB_PER_S, DECODED_MB_PER_S = 12.5, 50.0
"""Megabytes a second through a line of 100 Mbit/s, and from files to pixels (benchmarks/area_maps.md)."""

WRITTEN_PIXELS_PER_S = 3e6
"""Pixels that are combined, blended and written in a second, without the network (benchmarks/area_maps.md)."""

TRIAL_TILES = 8
"""Tiles of noise that are computed to know how long the network takes."""


@dataclass(frozen=True)
class TilePlan:
    """What a tile needs.

    Attributes:
        name: Its name.
        pixels: Rows and columns that are mapped.
        images: Identity, time and cloud cover (percent, or None) of the images of each date, best first.
    """

    name: str
    pixels: tuple[int, int]
    images: tuple[tuple[tuple[str, str, float | None], ...], ...]


@dataclass(frozen=True)
class AreaPlan:
    """What it takes to map an area.

    Attributes:
        area: Name of the area.
        product: Name of the satellite product.
        catalog: Key or address of the catalogue.
        resolution_m: Pixel size, metres.
        tiles: What each tile needs.
        num_tiles: Tiles that the network computes.
        least_mb: Megabytes to read if the first image shows everything.
        most_mb: Megabytes to read if all images are needed everywhere.
        network_seconds: Time of the network on this machine, measured by a trial with PyTorch.
        is_remote: Whether files come through a line; else they lie on this machine.
        notes: Remarks for the user.
    """

    area: str
    product: str
    catalog: str
    resolution_m: float
    tiles: tuple[TilePlan, ...]
    num_tiles: int
    least_mb: float
    most_mb: float
    network_seconds: float
    is_remote: bool = True
    notes: tuple[str, ...] = ()

    @property
    def num_images(self) -> int:
        """Number of images, each counted once for every tile."""
        return sum(len(images) for tile in self.tiles for images in tile.images)

    @property
    def read_seconds(self) -> tuple[float, float]:
        """Time to read the least and the most, by documented rates."""
        per_mb = 1 / DECODED_MB_PER_S + (1 / LINK_MB_PER_S if self.is_remote else 0)
        return self.least_mb * per_mb, self.most_mb * per_mb

    @property
    def write_seconds(self) -> float:
        """Time to combine images and to write maps, by a documented rate."""
        return sum(math.prod(tile.pixels) for tile in self.tiles) / WRITTEN_PIXELS_PER_S

    @property
    def total_seconds(self) -> tuple[float, float]:
        """Time of all parts, the least and the most, one after another."""
        least, most = (seconds + self.network_seconds + self.write_seconds for seconds in self.read_seconds)
        return least, most

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "area": self.area, "product": self.product, "catalog": self.catalog, "resolution_m": self.resolution_m,
            "images": self.num_images, "network_tiles": self.num_tiles,
            "megabytes": [round(self.least_mb, 3), round(self.most_mb, 3)],
            "network_seconds": round(self.network_seconds, 1),
            "read_seconds": [round(seconds, 1) for seconds in self.read_seconds],
            "write_seconds": round(self.write_seconds, 1),
            "total_seconds": [round(seconds, 1) for seconds in self.total_seconds],
            "tiles": [
                {
                    "name": tile.name, "height": tile.pixels[0], "width": tile.pixels[1],
                    "images": [
                        [{"id": name, "time": when, "cloud_percent": cloud} for name, when, cloud in images]
                        for images in tile.images
                    ],
                }
                for tile in self.tiles
            ],
            "notes": list(self.notes),
        }  # fmt: skip

    def lines(self, price_per_hour: float | None = None) -> list[str]:
        """Return the plan as lines of text.

        Args:
            price_per_hour: Price of an hour of this machine; None to leave costs out.
        """
        lines = [
            f"{self.area}: {counted(self.num_images, 'image')} of {self.product} from {self.catalog}, "
            f"{counted(len(self.tiles), 'tile')}, pixels of {self.resolution_m:g} m"
        ]
        for tile in self.tiles:
            times = sorted(when[:10] for images in tile.images for _, when, _ in images)
            clouds = [cloud for images in tile.images for _, _, cloud in images if cloud is not None]
            share = f", clouds {_span([f'{min(clouds):.0f}', f'{max(clouds):.0f}'])} %" if clouds else ""
            lines.append(
                f"  {tile.name}: {tile.pixels[0]} x {tile.pixels[1]} pixels, {counted(len(times), 'image')}, "
                f"{_span(times)}{share}"
            )
        reading, total = (
            _span([format_duration(seconds) for seconds in own]) for own in (self.read_seconds, self.total_seconds)
        )
        cost = ""
        if price_per_hour is not None:
            prices = [f"{seconds / 3600 * price_per_hour:,.2f}" for seconds in self.total_seconds]
            cost = f", {_span(prices)} at {price_per_hour:g} an hour"
        line = f", on a line of {8 * LINK_MB_PER_S:g} Mbit/s" if self.is_remote else ""
        return [
            *lines,
            f"to read: {self.least_mb:,.1f} MB if the first image shows everything, at most {self.most_mb:,.1f} MB; to "
            f"compute: {counted(self.num_tiles, 'tile')} of the network",
            f"time: {total}{cost}; of it {format_duration(self.network_seconds)} for the network (measured, by a trial "
            f"with PyTorch), {reading} to read (estimated{line}), {format_duration(self.write_seconds)} to combine "
            "and write (estimated)",
        ]


def _span(values: Sequence[str]) -> str:
    """Return the first and the last value, or the only one."""
    return values[0] if values[0] == values[-1] else f"{values[0]} to {values[-1]}"


@dataclass(frozen=True)
class SpeedTrial:
    """How fast a network is on this machine; it is tried once, when it is asked for first."""

    predictor: Predictor

    @cached_property
    def seconds_per_tile(self) -> float:
        """Time that the network takes for a tile, by a trial with noise."""
        tiles = noise_tiles(self.predictor, TRIAL_TILES)
        image, valid = (torch.stack([getattr(tile, name) for tile in tiles]) for name in ("image", "valid"))
        batch = Sample(
            image, valid, temporal_coords=torch.full((TRIAL_TILES, image.shape[2], 2), math.nan),
            location_coords=torch.full((TRIAL_TILES, 2), math.nan),
        ).to(self.predictor.device)  # fmt: skip
        with torch.inference_mode():
            self.predictor.forward(batch)
            began = time.perf_counter()
            self.predictor.forward(batch).cpu()
        return (time.perf_counter() - began) / TRIAL_TILES


def make_plan(area: Area, search: ImageSearch, scenes: Sequence[AreaScene], speed: SpeedTrial) -> AreaPlan:
    """Plan the map of an area; the headers of a few files are read.

    Raises:
        RasterError: A file cannot be read.
    """
    composites = [scene.composite() for scene in scenes]
    tiles = tuple(
        TilePlan(
            scene.name, scene.tile.grid.shape,
            tuple(
                tuple((item.id, item.time.isoformat(), item.cloud_percent) for item in items) for items in scene.images
            ),
        )
        for scene in scenes
    )  # fmt: skip
    least, most = _megabytes(composites, search, scenes)
    num_tiles = sum(_network_tiles(each, speed.predictor) for each in composites)
    return AreaPlan(
        area.name, search.source.name, search.item_list.catalog or "a list", composites[0].pixel_m, tiles, num_tiles,
        least, most, num_tiles * speed.seconds_per_tile,
        any(is_remote(file.href) for item in search.item_list.items for file in item.assets.values()), search.notes,
    )  # fmt: skip


def join_plans(plans: Mapping[str, AreaPlan]) -> AreaPlan:
    """Return the plans of several periods as one, whose tiles are named by their period, too."""
    first, *_ = own = tuple(plans.values())
    tiles = tuple(
        replace(tile, name=f"{name} {tile.name}".strip()) for name, plan in plans.items() for tile in plan.tiles
    )
    notes = tuple(dict.fromkeys(note for plan in own for note in plan.notes))
    sums = {
        name: sum(getattr(plan, name) for plan in own)
        for name in ("num_tiles", "least_mb", "most_mb", "network_seconds")
    }
    return replace(first, tiles=tiles, notes=notes, **sums)


def _megabytes(
    composites: Sequence[CompositeScene], search: ImageSearch, scenes: Sequence[AreaScene]
) -> tuple[float, float]:
    """Return the least and the most to read, from the headers of the first image of a few tiles."""
    total_least = total_most = sampled_pixels = 0.0
    all_pixels = sum(each.num_shown for each in composites)
    for composite, scene in zip(composites[:MAX_SAMPLED], scenes, strict=False):
        quality, bands = _file_megabytes(composite, composite.dates[0][0], search)
        numbers = [len(images) for images in composite.dates]
        total_least += quality * sum(numbers) + bands * len(numbers)
        total_most += (quality + bands) * sum(numbers)
        sampled_pixels += scene.composite().num_shown
    factor = all_pixels / max(sampled_pixels, 1)
    return total_least * factor, total_most * factor


def _file_megabytes(scene: CompositeScene, image: CompositeImage, search: ImageSearch) -> tuple[float, float]:
    """Return the megabytes of the quality layer and of the bands of an image in the window of a scene."""
    sizes = []
    for files in ((image.quality,) if image.quality else (), image.bands):
        reads = [AssetRead(file.href, (grid,)) for file in files if (grid := _window(scene, file)) is not None]
        sizes.append(estimate(reads, search.open_access()).cost.bytes / 1e6 if reads else 0.0)
    return sizes[0], sizes[1]


def _window(scene: CompositeScene, file: CatalogFile) -> Grid | None:
    """Return the pixels of a file in the window of a scene; None if there are none, or the file is of no use."""
    try:
        alignment = scene.align(file)
    except UnusableFileError:
        return None
    if alignment is None:
        return None
    header = scene.files.read_header(file)
    height, width = scene.grid.shape
    rows = alignment.rows.taps(0, height, nearest=False).span
    columns = alignment.columns.taps(0, width, nearest=False).span
    return header.grid.window(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)


def _network_tiles(scene: CompositeScene, predictor: Predictor) -> int:
    """Return about how many tiles of a scene have a pixel that is shown."""
    rows, columns = (predictor.tiling.axis(side) for side in scene.grid.shape)
    share = scene.num_shown / (scene.grid.height * scene.grid.width)
    return max(math.ceil(len(rows.starts) * len(columns.starts) * share), 1)
