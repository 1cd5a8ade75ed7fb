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

LEAST_SHARE = 1e-6
"""Smaller overlaps are those of neighbours whose corners were rounded."""


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
    corners = np.array([footprint.corners for _, _, footprint in chips])
    shares = overlap_shares(corners[near[:, 0]], corners[near[:, 1]])
    pairs = []
    for (one, other), share in zip(near.tolist(), shares.tolist(), strict=True):
        if share > 0:
            (first, image, _), (second, other_image, _) = chips[one], chips[other]
            pairs.append(Shared(first, second, share, _offset(image, other_image)))
    return pairs


def overlap_shares(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area that two quadrilaterals share, as a share of the smaller one, for M pairs of them, shape (M,).

    Args:
        first: Longitude and latitude of the corners in their order, degrees, shape (M, 4, 2).
        second: The same of the others.
    """
    import shapely

    middle = first[:, :1]
    scale = np.stack([np.cos(np.radians(middle[..., 1])), np.ones(middle.shape[:2])], axis=-1)
    polygons = [shapely.polygons(_wrapped(corners - middle) * scale) for corners in (first, second)]
    least = np.minimum(*(shapely.area(part) for part in polygons))
    usable = (least > 0) & shapely.is_valid(polygons[0]) & shapely.is_valid(polygons[1])
    shares = np.zeros(len(first))
    shared = shapely.area(shapely.intersection(polygons[0][usable], polygons[1][usable]))
    shares[usable] = shared / least[usable]
    return np.where(shares > LEAST_SHARE, shares, 0.0)


def _wrapped(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return differences of longitude and latitude across the antimeridian as small ones."""
    result = differences.copy()
    result[..., 0] = (result[..., 0] + 180) % 360 - 180
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
