"""What will be read if the first image of each date can serve: its bands and its quality layer."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from instageo.data.items.item import Asset, Item
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.reading.chip_reader import ReadRules
from instageo.data.reading.file_reads import GridOf, group_by_file
from instageo.data.reading.requests import AssetRead
from instageo.raster.grid import Grid


@dataclass(frozen=True)
class PlannedImage:
    """Files of an image that a batch of chips needs.

    Attributes:
        files: The files, each with the distance by which windows reach beyond the chips, metres.
        chips: Grids of the chips.
    """

    files: tuple[tuple[Asset, float], ...]
    chips: Sequence[Grid]


def planned_images(batches: Iterable[Sequence[ChipPlan]], rules: ReadRules) -> list[PlannedImage]:
    """Return the images of each batch of chips that are read together.

    Images that turn out to be too cloudy or damaged are not known before reading.

    Args:
        batches: Chips.
        rules: What to read; where the clearest image is preferred, the quality layers of all images are read.
    """
    images: list[PlannedImage] = []
    for plans in batches:
        first: dict[Item, list[Grid]] = defaultdict(list)
        others: dict[Item, list[Grid]] = defaultdict(list)
        for plan in plans:
            for items in plan.candidates:
                for item in items[:1]:
                    first[item].append(plan.grid)
                for item in items[1:] if rules.clearest else ():
                    others[item].append(plan.grid)
        images += [PlannedImage((*_quality(item, rules), *_bands(item, rules)), own) for item, own in first.items()]
        images += [PlannedImage(_quality(item, rules), own) for item, own in others.items()]
    return images


def _quality(item: Item, rules: ReadRules) -> tuple[tuple[Asset, float], ...]:
    return tuple((asset, rules.margin_m) for asset in rules.quality_assets(item))


def _bands(item: Item, rules: ReadRules) -> tuple[tuple[Asset, float], ...]:
    return tuple((asset, 0.0) for asset in rules.band_assets(item))


def sample_reads(images: Sequence[PlannedImage], count: int, grid_of: GridOf) -> list[AssetRead]:
    """Return the reads of `count` files spread evenly over those of images, or of all of them if they are fewer.

    Args:
        images: Images.
        count: Largest number of files.
        grid_of: Returns the grid of a file whose record does not give it.
    """
    ends = list(accumulate(len(image.files) for image in images))
    total = ends[-1] if ends else 0
    count = min(count, total)
    reads: list[AssetRead] = []
    for position in (index * total // count for index in range(count)):
        number = bisect_right(ends, position)
        image = images[number]
        asset, margin_m = image.files[position - ends[number]]
        reads += group_by_file([(chip, asset) for chip in image.chips], grid_of, margin_m).reads
    return reads
