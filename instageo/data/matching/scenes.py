"""Items as images that chips can be cut from: usable ones by tile, and the others with the reason."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instageo.data.items.duplicates import newest_processing
from instageo.data.items.item import Asset, Item
from instageo.data.matching.placement import LATTICE_TOLERANCE, Frame, scene_frame, tile_frame, tile_name
from instageo.data.output.skipped import Reason
from instageo.data.sources.source import Product, RefusedItemError, Source
from instageo.raster.grid import Grid

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True)
class Scene:
    """An item that chips can be cut from.

    Attributes:
        item: Its record.
        frame: Its grid, and its place in its tile.
    """

    item: Item
    frame: Frame

    @cached_property
    def day(self) -> date:
        """Day of acquisition, UTC."""
        return self.item.time.date()

    @cached_property
    def cloud_percent(self) -> float:
        """Cloud cover, percent; 0 if the record does not say."""
        return self.item.cloud_percent or 0.0

    @cached_property
    def footprint(self) -> "BaseGeometry":
        """Area with data, degrees, with longitudes near those of its own centre."""
        return _unwrapped(self.item.geometry, self.middle)

    @cached_property
    def middle(self) -> float:
        """Longitude near its centre, degrees."""
        west, _, east, _ = self.item.bounds
        return west if east - west > 180 or east < west else (west + east) / 2

    def holds(
        self, lefts: NDArray[np.float64], tops: NDArray[np.float64], heights: NDArray[np.float64],
        widths: NDArray[np.float64],
    ) -> NDArray[np.bool_]:  # fmt: skip
        """Return whether windows lie on whole pixels of the scene and within it, shape (N,).

        Args:
            lefts: x of their left edges, in the reference system of the scene.
            tops: y of their upper edges.
            heights: Rows.
            widths: Columns.
        """
        own = self.frame.grid
        columns, rows = (lefts - own.transform.c) / own.transform.a, (tops - own.transform.f) / own.transform.e
        first_row, first_column = np.rint(rows), np.rint(columns)
        on_lattice = abs(rows - first_row) + abs(columns - first_column) <= 2 * LATTICE_TOLERANCE
        inside = (first_row >= 0) & (first_column >= 0)
        inside &= (first_row + heights <= own.height) & (first_column + widths <= own.width)
        return np.asarray(on_lattice & inside)


def _unwrapped(geometry: Mapping[str, Any], middle: float) -> "BaseGeometry":
    import shapely
    from shapely.geometry import shape

    def near(points: Any) -> Any:
        points[:, 0] += 360 * ((middle - points[:, 0]) / 360).round()
        return points

    footprint: BaseGeometry = shapely.transform(shape(geometry), near)
    if not footprint.is_valid:
        footprint = footprint.buffer(0)
    shapely.prepare(footprint)
    return footprint


@dataclass(frozen=True)
class RejectedItem:
    """An item that no chip is cut from.

    Attributes:
        item: Its record.
        reason: Why.
        detail: One sentence, without secrets.
    """

    item: Item
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Scenes:
    """Images by tile.

    Attributes:
        usable: Scenes of each tile, in the order of time.
        rejected: Items of each tile that cannot be used; "" for those whose tile is unknown.
        duplicates: Number of records that were left out because another one is of the same image.
    """

    usable: Mapping[str, Sequence[Scene]]
    rejected: Mapping[str, Sequence[RejectedItem]]
    duplicates: int = 0
    _days: dict[str, list[date]] = field(default_factory=dict, repr=False)

    @cached_property
    def frames(self) -> list[Frame]:
        """Every different grid."""
        return list({scene.frame: None for scenes in self.usable.values() for scene in scenes})

    def between(self, tile: str, first: date, last: date) -> Sequence[Scene]:
        """Return the scenes of a tile from one day to another, both included."""
        scenes = self.usable.get(tile, ())
        if tile not in self._days:
            self._days[tile] = [scene.day for scene in scenes]
        days = self._days[tile]
        return scenes[bisect_left(days, first) : bisect_right(days, last)]

    def rejected_between(self, tile: str, first: date, last: date) -> list[RejectedItem]:
        """Return the items of a tile that cannot be used, from one day to another."""
        return [other for other in self.rejected.get(tile, ()) if first <= other.item.time.date() <= last]


def find_scenes(
    items: Iterable[Item],
    source: Source,
    products: Sequence[Product],
    bands: Sequence[str],
    *,
    max_cloud: float,
    stated: str | None,
    grid_of: Callable[[Asset], Grid],
) -> Scenes:
    """Sort items into usable scenes and rejected ones; each image once, in its newest processing.

    Args:
        items: Items of a catalogue.
        source: The product.
        products: Its collections in the catalogue.
        bands: Bands of a chip.
        max_cloud: Largest cloud cover, percent.
        stated: What the user says of the offset of Sentinel-2.
        grid_of: Reads the grid of a file whose record does not give it; raises a RefusedItemError if that is of no use.
    """
    by_collection = {product.collection: product for product in products}
    fallback = products[0] if len(products) == 1 else None
    good, rejected = [], []
    for item in items:
        product = by_collection.get(item.collection, fallback)
        if product is None:
            continue
        refusal = _refusal(item, source, product, bands, max_cloud, stated)
        if refusal is None:
            good.append((item, product))
        else:
            rejected.append(refusal)
    newest, duplicates = newest_processing(item for item, _ in good)
    product_of = dict(good)
    usable: dict[str, list[Scene]] = defaultdict(list)
    for item in newest:
        try:
            grid = finest_grid(item, product_of[item], bands, grid_of)
        except RefusedItemError as error:
            rejected.append(RejectedItem(item, Reason.NOT_READABLE, str(error)))
            continue
        frame = tile_frame(item.tile, grid) if source.is_tiled and item.tile else scene_frame(grid)
        usable[frame.tile].append(Scene(item, frame))
    others: dict[str, list[RejectedItem]] = defaultdict(list)
    for other in rejected:
        others[tile_name(other.item.tile) if source.is_tiled and other.item.tile else ""].append(other)
    return Scenes(usable, others, len(duplicates))


def _refusal(
    item: Item, source: Source, product: Product, bands: Sequence[str], max_cloud: float, stated: str | None
) -> RejectedItem | None:
    """Return why an item cannot be used, or None."""
    required = [product.assets[band] for band in bands] + [product.quality] * bool(product.quality)
    missing = [asset for asset in required if asset not in item.assets]
    if missing:
        return RejectedItem(item, Reason.ASSET_MISSING, f"{item.id} has no asset {', '.join(missing)}")
    if item.cloud_percent is not None and item.cloud_percent > max_cloud:
        return RejectedItem(item, Reason.TOO_CLOUDY, f"{item.id}: {item.cloud_percent:.0f} % clouds")
    if source.check is not None:
        try:
            source.check(item, stated)
        except RefusedItemError as error:
            return RejectedItem(item, Reason.SHIFT_UNKNOWN, str(error))
    return None


def finest_grid(item: Item, product: Product, bands: Sequence[str], grid_of: Callable[[Asset], Grid]) -> Grid:
    """Return the grid of the band with the smallest pixels."""
    grids = []
    for band in bands:
        asset = item.assets[product.assets[band]]
        grids.append(asset.grid if asset.grid is not None else grid_of(asset))
    return min(grids, key=lambda grid: abs(grid.transform.a))
