"""What will be read if the first image of each date can serve: its bands and its quality layer."""

from collections.abc import Sequence

from instageo.data.items.item import Asset
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.reading.chip_reader import ReadRules
from instageo.data.reading.file_reads import GridOf, group_by_file
from instageo.data.reading.requests import AssetRead
from instageo.raster.grid import Grid


def planned_reads(plans: Sequence[ChipPlan], rules: ReadRules, grid_of: GridOf) -> list[AssetRead]:
    """Return one read for each file that a batch of chips needs.

    Images that turn out to be too cloudy or damaged cost less or more than this, and are not known before reading.

    Args:
        plans: Chips that are read together.
        rules: What to read; where the clearest image is preferred, the quality layers of all images are read.
        grid_of: Returns the grid of a file whose record does not give it.
    """
    quality: list[tuple[Grid, Asset]] = []
    bands: list[tuple[Grid, Asset]] = []
    for plan in plans:
        for items in plan.candidates:
            for item in items if rules.clearest else items[:1]:
                quality += [(plan.grid, asset) for asset in rules.quality_assets(item)]
            for item in items[:1]:
                bands += [(plan.grid, asset) for asset in rules.band_assets(item)]
    found = group_by_file(quality, grid_of, rules.margin_m), group_by_file(bands, grid_of)
    return [read for group in found for read in group.reads]
