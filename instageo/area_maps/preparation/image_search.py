"""Find the images of an area: in a catalogue, in a frozen list, or in the list of the same request before."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from instageo.area_maps.preparation.area import Area
from instageo.area_maps.request import DEFAULT_MASK, AreaRequest
from instageo.data.catalogs.access import Access, without_query
from instageo.data.catalogs.boxes import SearchQuery, search_boxes
from instageo.data.catalogs.catalogs import find_catalog
from instageo.data.catalogs.item_lists import ItemList, list_access, read_items
from instageo.data.catalogs.search import search
from instageo.data.items.item import Asset
from instageo.data.matching.product_check import check_product
from instageo.data.matching.scenes import Scenes, find_scenes
from instageo.data.output.skipped import Reason
from instageo.data.reading.block_cache import BlockCache
from instageo.data.reading.catalog_files import CatalogFile, CatalogFiles, UnusableFileError
from instageo.data.scene_search import LIST_SUFFIXES
from instageo.data.sources.source import Product, RefusedItemError, Source
from instageo.errors import DataError
from instageo.products.quality_flags import check_flags
from instageo.raster.grid import Grid
from instageo.wording import counted

log = logging.getLogger(__name__)


class NoImageError(DataError):
    """No image shows the area in a period."""


@dataclass(frozen=True)
class ImageSearch:
    """Images of an area.

    Attributes:
        source: The product.
        products: Its collections in the catalogue.
        bands: Bands of a date.
        mask: Names of quality flags whose pixels do not count.
        item_list: Records of the images.
        scenes: Images by tile.
        open_access: Returns how files are opened.
        files: Reads the files.
        list_folder: Folder that relative addresses of the records refer to; None for a catalogue.
        notes: Remarks for the user.
    """

    source: Source
    products: tuple[Product, ...]
    bands: tuple[str, ...]
    mask: tuple[str, ...]
    item_list: ItemList
    scenes: Scenes
    open_access: Callable[[], Access]
    files: CatalogFiles
    list_folder: Path | None = None
    notes: tuple[str, ...] = ()

    def product_of(self, collection: str) -> Product:
        """Return the product of an image by its collection."""
        return next((product for product in self.products if product.collection == collection), self.products[0])


def search_images(
    request: AreaRequest,
    area: Area,
    source: Source,
    bands: Sequence[str],
    own_list: Path | None,
    cache: BlockCache,
    threads: int = 8,
) -> ImageSearch:
    """Find the images of an area.

    Args:
        request: What the user asks for.
        area: The area.
        source: The product.
        bands: Bands of the model.
        own_list: List of the same request before, which is used if it is of the same search; None without one.
        cache: Where blocks of files are kept.
        threads: Files that are read at a time.

    Raises:
        ConfigError: The catalogue is unknown, or does not hold the product or a band.
        NoImageError: No image was found, or days lie in the future.
        DataError: The catalogue cannot be reached.
    """
    _check_past(request)
    listing = _list_images(request, area, source, own_list)
    item_list, products = listing.items, listing.products
    source.check_bands(tuple(bands), products)
    flags = DEFAULT_MASK if request.mask is None else request.mask
    mask = check_flags(flags, source.flags, source.name) if source.flags else ()
    files = CatalogFiles(listing.open_access, cache, threads)
    scenes = find_scenes(
        item_list.items, source, products, tuple(bands), max_cloud=request.max_cloud, stated=request.sentinel2_shift,
        grid_of=lambda asset: _grid_of(asset, files),
    )  # fmt: skip
    if not item_list.items:
        raise NoImageError("; ".join(listing.notes) or _no_image(request, source))
    check_product(item_list.items, scenes, source, products, bands, "choose --source, or another --catalog")
    for line in (*listing.notes, *_left_out(scenes)):
        log.warning("%s", line)
    return ImageSearch(
        source, products, tuple(bands), tuple(mask), item_list, scenes, listing.open_access, files, listing.folder,
        listing.notes,
    )  # fmt: skip


@dataclass(frozen=True)
class _Listing:
    """Records of images, and how their files are opened."""

    items: ItemList
    products: tuple[Product, ...]
    open_access: Callable[[], Access]
    folder: Path | None = None
    notes: tuple[str, ...] = ()


def _list_images(request: AreaRequest, area: Area, source: Source, own_list: Path | None) -> _Listing:
    """Return the records of a frozen list, of the list of the same search before, or of a new search."""
    name = request.catalog or source.default_catalog
    if name.endswith(LIST_SUFFIXES):
        items = read_items(Path(name)).of_collection(request.collection, Path(name))
        products = source.products_in(items.catalog, request.collection, {})
        open_access = partial(list_access, Path(name), items.catalog)
        return _Listing(items, products, open_access, Path(name).parent, (items.damage,) if items.damage else ())
    catalog = find_catalog(name)
    products = source.products_in(catalog.key, request.collection, {})
    collections, queries = [product.collection for product in products], _queries(request, area)
    former = _former_list(own_list, catalog.key, collections, queries)
    if former is not None:
        return _Listing(former, products, partial(_open_catalog, name))
    result = search(catalog, queries, collections)
    searched = datetime.now(UTC).isoformat(timespec="seconds")
    items = ItemList(result.items, catalog.key, result.collections, result.queries, searched)
    return _Listing(items, products, partial(_open_catalog, name), notes=result.messages)


def _check_past(request: AreaRequest) -> None:
    today = datetime.now(UTC).date()
    for days in request.days:
        if days.first > today:
            raise NoImageError(f"date={days}: lies in the future, which no satellite has seen; today is {today}")


def _open_catalog(name: str) -> Access:
    return find_catalog(name).open_files()


def _grid_of(asset: Asset, files: CatalogFiles) -> Grid:
    """Return the grid of a file whose record does not give it.

    Raises:
        RefusedItemError: The file is missing or damaged, or has no reference system.
        RasterError: The file cannot be read at the moment.
    """
    try:
        grid = files.read_header(CatalogFile(asset.href)).grid
    except UnusableFileError as error:
        raise RefusedItemError(str(error)) from error
    if grid.crs is None:
        raise RefusedItemError(f"{without_query(asset.href)}: has no coordinate reference system, nor has its record")
    return grid


def _left_out(scenes: Scenes) -> list[str]:
    """Return a line for each reason, other than clouds, for which images are left out."""
    details: dict[Reason, list[str]] = {}
    for items in scenes.rejected.values():
        for item in items:
            details.setdefault(item.reason, []).append(item.detail)
    return [
        f"{counted(len(own), 'image', 'are')} left out, such as: {own[0]}"
        for reason, own in details.items()
        if reason != Reason.TOO_CLOUDY
    ]


def _queries(request: AreaRequest, area: Area) -> list[SearchQuery]:
    """Return the searches of all dates; each box once for each period."""
    return sorted({query for days in request.days for query in search_boxes(area.search_places(days.first, days.last))})


def _former_list(
    path: Path | None, catalog: str, collections: Sequence[str], queries: Sequence[SearchQuery]
) -> ItemList | None:
    """Return the list that an earlier run has written, if it is of the same search."""
    if path is None or not path.is_file():
        return None
    try:
        former = read_items(path)
    except DataError as error:
        log.warning("%s; the catalogue is searched again", error)
        return None
    if former.damage:
        log.warning("%s; the catalogue is searched again", former.damage)
        return None
    same = former.catalog == catalog and sorted(former.collections) == sorted(collections)
    if not (same and sorted(former.queries) == list(queries)):
        return None
    log.info(
        "%s: %s of the search at %s; remove it to search again", path, counted(len(former.items), "image"),
        former.searched,
    )  # fmt: skip
    return former


def _no_image(request: AreaRequest, source: Source) -> str:
    days = ", ".join(map(str, request.days))
    return f"no image of {source.name} of the area from {days}; widen the dates, or choose another --source"
