"""Find the images of a run: from a catalogue, from a frozen list, or from the list that the run has written before."""

from dataclasses import dataclass
from pathlib import Path

from instageo.data.catalogs.access import Access
from instageo.data.catalogs.item_lists import list_access, read_items
from instageo.data.chip_job import ChipJob, resolve_job
from instageo.data.chip_settings import ChipSettings
from instageo.data.items.item import Asset, Item
from instageo.data.labelling.labelling import Labelling
from instageo.data.matching.scenes import Scenes, find_scenes
from instageo.errors import ConfigError
from instageo.raster.grid import Grid
from instageo.raster.reading import read_info

ITEMS = "items.json"


@dataclass(frozen=True)
class SceneSearch:
    """Images of a run.

    Attributes:
        job: The run's settings, resolved.
        items: Records that were found.
        scenes: Images that chips can be cut from, and why others cannot serve.
        access: How files are opened.
        requests: Requests to the catalogue.
        notes: Remarks for the user.
    """

    job: ChipJob
    items: tuple[Item, ...]
    scenes: Scenes
    access: Access
    requests: int = 0
    notes: tuple[str, ...] = ()


def search_scenes(settings: ChipSettings, labelling: Labelling, folder: Path | None) -> SceneSearch:  # noqa: ARG001
    """Find images."""
    path = Path(settings.catalog or "")
    if path.suffix not in (".json", ".parquet"):
        raise ConfigError("catalog: only items.json and items.parquet so far")
    content = read_items(path)
    job = resolve_job(settings, content.catalog)
    items = content.items
    access = list_access(path, content.catalog)

    def grid_of(asset: Asset) -> Grid:
        return read_info(access.location(asset.href)).grid

    scenes = find_scenes(
        items, job.source, job.products, job.bands, max_cloud=settings.max_cloud, stated=settings.sentinel2_shift,
        grid_of=grid_of,
    )  # fmt: skip
    return SceneSearch(job, items, scenes, access)
