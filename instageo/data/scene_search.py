"""Find the images of a run: in a catalogue, in a frozen list, or in the list that the run has written before."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from instageo.data.catalogs.access import Access
from instageo.data.catalogs.boxes import search_boxes
from instageo.data.catalogs.catalogs import find_catalog
from instageo.data.catalogs.item_lists import ItemList, list_access, read_items
from instageo.data.catalogs.search import search
from instageo.data.chip_job import ChipJob, resolve_job
from instageo.data.chip_settings import ChipSettings
from instageo.data.labelling.labelling import Labelling
from instageo.data.matching.product_check import check_product
from instageo.data.matching.scenes import Scenes, find_scenes
from instageo.data.reading.pixel_source import file_grid
from instageo.data.sources.sources import find_source
from instageo.errors import DataError
from instageo.wording import counted

log = logging.getLogger(__name__)

ITEMS = "items.json"

LIST_SUFFIXES = (".json", ".parquet")


@dataclass(frozen=True)
class SceneSearch:
    """Images of a run.

    Attributes:
        job: The run's settings, resolved.
        item_list: Records of the images.
        scenes: Images that chips can be cut from, and why others cannot serve.
        access: How files are opened.
        list_folder: Folder of a frozen list, to which addresses of its files may refer; None for a catalogue.
        requests: Requests to the catalogue.
        notes: Remarks for the user.
    """

    job: ChipJob
    item_list: ItemList
    scenes: Scenes
    access: Access
    list_folder: Path | None = None
    requests: int = 0
    notes: tuple[str, ...] = ()


def search_scenes(settings: ChipSettings, labelling: Labelling, folder: Path | None) -> SceneSearch:
    """Find the images that labels need; nothing is written.

    Args:
        settings: Options of the command.
        labelling: Where and when images are needed.
        folder: Output folder, whose `items.json` is used if the run is resumed; None for a plan.

    Raises:
        ConfigError: The catalogue is unknown, or does not hold the product.
        DataError: The catalogue cannot be reached, or has no images.
    """
    name = settings.catalog or ""
    frozen = Path(name) if name.endswith(LIST_SUFFIXES) else None
    former = folder / ITEMS if folder is not None and settings.resume else None
    list_folders = () if frozen is None else (frozen.parent,)
    requests, notes = 0, tuple[str, ...]()
    if former is not None and former.is_file():
        item_list, path = read_items(former), former
        if item_list.damage:
            raise DataError(f"{item_list.damage}; choose another output folder")
        job = resolve_job(settings, item_list.catalog)
        access = list_access(path, item_list.catalog, also=list_folders)
    elif frozen is not None:
        item_list = read_items(frozen).of_collection(settings.collection, frozen)
        notes = (item_list.damage,) if item_list.damage else ()
        job = resolve_job(settings, item_list.catalog)
        access = list_access(frozen, item_list.catalog)
    else:
        catalog = find_catalog(settings.catalog or find_source(settings.source).default_catalog)
        job = resolve_job(settings, catalog.key)
        queries = search_boxes(labelling.places(job.matching.dates))
        result = search(catalog, queries, [product.collection for product in job.products])
        searched = datetime.now(UTC).isoformat(timespec="seconds")
        item_list = ItemList(result.items, catalog.key, result.collections, result.queries, searched)
        access, requests = catalog.open_files(), result.requests
        notes = result.messages
        log.info("%s: %s by %s", catalog.key, counted(len(item_list.items), "image"), counted(requests, "request"))
    if not item_list.items:
        raise DataError("; ".join(notes) or f"{settings.catalog}: the list has no items")
    scenes = find_scenes(
        item_list.items, job.source, job.products, job.bands, max_cloud=settings.max_cloud,
        stated=settings.sentinel2_shift, grid_of=lambda asset: file_grid(asset, access),
    )  # fmt: skip
    check_product(
        item_list.items, scenes, job.source, job.products, job.bands,
        "choose --source, or name its assets with --collection and --assets",
    )  # fmt: skip
    return SceneSearch(job, item_list, scenes, access, list_folders[0] if list_folders else None, requests, notes)
