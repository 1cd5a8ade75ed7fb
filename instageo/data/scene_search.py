"""Find the images of a run: from a catalogue, from a frozen list, or from the list that the run has written before."""

import json
from dataclasses import dataclass
from pathlib import Path

from instageo.data.catalogs.access import Access, LocalAccess
from instageo.data.chip_job import ChipJob, resolve_job
from instageo.data.chip_settings import ChipSettings
from instageo.data.items.item import Asset, Item, item_from_stac
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
    if path.suffix != ".json":
        raise ConfigError("catalog: only items.json so far")
    record = json.loads(path.read_text())
    job = resolve_job(settings, str(record.get("catalog", "")))
    items = tuple(item_from_stac(feature) for feature in record["features"])
    access = LocalAccess(path.parent)

    def grid_of(asset: Asset) -> Grid:
        return read_info(access.location(asset.href)).grid

    scenes = find_scenes(
        items, job.source, job.products, job.bands, max_cloud=settings.max_cloud, stated=settings.sentinel2_shift,
        grid_of=grid_of,
    )  # fmt: skip
    return SceneSearch(job, items, scenes, access)
