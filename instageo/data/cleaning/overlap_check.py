"""Check for chips that show the same ground: by their footprints, or by their pixels where there are no coordinates."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_facts.facts import ChipFacts, ImageFacts
from instageo.data.cleaning.finding import GROUP, CheckResult, Finding, MeasuredTable, Shared
from instageo.data.cleaning.shared_pixels import propose_overlaps, verify_overlaps
from instageo.ground_distance import find_near_pairs
from instageo.raster.footprint import Footprint, enclosing_circles, find_footprint
from instageo.wording import counted

WHOLE_PIXEL = 0.01
"""Parts of a pixel by which two grids may lie from whole pixels of each other, to give an offset in pixels."""


def check_overlap(table: MeasuredTable) -> CheckResult:
    """Find chips of which more than a share overlaps with another chip; they form groups."""
    by_ground, num_located = _by_footprints(table)
    anchors = [None if chip.image is None else chip.image.anchors for chip in table.chips]
    without = sum(part is not None for part in anchors)
    by_pixels = verify_overlaps(propose_overlaps(anchors), table.read) if without > 1 else []
    pairs = by_ground + by_pixels
    together = [pair for pair in pairs if pair.share > table.settings.min_overlap]
    pairs_shown = [pair for pair in together if not _is_duplicate(table.chips[pair.first], table.chips[pair.second])]
    largest: dict[int, tuple[float, int]] = {}
    for pair in pairs_shown:
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            largest[one] = max(largest.get(one, (0.0, other)), (pair.share, other), key=lambda found: found[0])
    findings = [
        Finding(table.chips[one], f"{share:.1%} overlap with {table.chips[other].row.name}", share, GROUP)
        for one, (share, other) in sorted(largest.items())
    ]
    remarks = []
    if without and num_located == 0:
        remarks.append("overlap: compared by pixels, because the chips have no coordinates")
    elif without:
        remarks.append(f"overlap: {counted(without, 'chip', 'were')} compared by pixels, without coordinates")
    return CheckResult(
        findings, remarks, together, [pair for pair in pairs if pair.share <= table.settings.min_overlap]
    )


def _is_duplicate(first: ChipFacts, second: ChipFacts) -> bool:
    """Return whether two chips have the same pixels, which is the finding of another check."""
    return (first.image and first.image.pixel_hash) == (second.image and second.image.pixel_hash)


def _by_footprints(table: MeasuredTable) -> tuple[list[Shared], int]:
    """Return the pairs whose footprints overlap, and the number of chips with a footprint."""
    by_dates: dict[tuple[date, ...] | None, list[tuple[int, ImageFacts, Footprint]]] = defaultdict(list)
    number = 0
    for position, chip in enumerate(table.chips):
        footprint = None if chip.image is None else find_footprint(chip.image.grid)
        if chip.image is not None and footprint is not None:
            number += 1
            dates = chip.row.dates if table.settings.overlap_dates == "equal" else None
            by_dates[dates].append((position, chip.image, footprint))
    return [pair for chips in by_dates.values() for pair in _pairs(chips)], number


def _pairs(chips: Sequence[tuple[int, ImageFacts, Footprint]]) -> list[Shared]:
    near = find_near_pairs(enclosing_circles([footprint for _, _, footprint in chips]), None, 0.0)
    pairs = []
    for one, other in near.tolist():
        (first, image, footprint), (second, other_image, other_footprint) = chips[one], chips[other]
        share = overlap_share(footprint.corners, other_footprint.corners)
        if share > 0:
            pairs.append(Shared(first, second, share, _offset(image, other_image)))
    return pairs


def overlap_share(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the area that two convex quadrilaterals share, as a share of the smaller one.

    Args:
        first: Longitude and latitude of the corners in their order, degrees, shape (4, 2).
        second: The same of the other.
    """
    from shapely import Polygon

    middle = first[0]
    scale = np.array([np.cos(np.radians(middle[1])), 1.0])
    polygons = [Polygon((_near_zero(corners - middle)) * scale) for corners in (first, second)]
    least = min(polygon.area for polygon in polygons)
    if least == 0 or not all(polygon.is_valid for polygon in polygons):
        return 0.0
    share = polygons[0].intersection(polygons[1]).area / least
    return float(share) if share > 1e-6 else 0.0


def _near_zero(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return differences of longitude and latitude across the antimeridian as small ones."""
    result = differences.copy()
    result[:, 0] = (result[:, 0] + 180) % 360 - 180
    return result


def _offset(first: ImageFacts, second: ImageFacts) -> tuple[int, int] | None:
    """Return rows and columns by which the second chip lies further; None if their pixels do not coincide."""
    one, other = first.grid, second.grid
    if one.crs != other.crs or not np.allclose(one.transform[:6:3], other.transform[:6:3], rtol=1e-6):
        return None
    if not np.allclose([one.transform.b, one.transform.e], [other.transform.b, other.transform.e], rtol=1e-6):
        return None
    rows, columns = one.from_crs(np.array([other.transform.c]), np.array([other.transform.f]))
    place = np.array([rows[0], columns[0]])
    whole = np.rint(place)
    return (int(whole[0]), int(whole[1])) if np.abs(place - whole).max() <= WHOLE_PIXEL else None
