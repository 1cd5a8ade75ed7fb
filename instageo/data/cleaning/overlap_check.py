"""Check for chips that show the same ground: by their footprints, or by their pixels where there are no coordinates."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_facts.facts import ChipFacts
from instageo.data.cleaning.finding import GROUP, CheckResult, Finding, MeasuredTable, Shared
from instageo.data.cleaning.shared_pixels import propose_overlaps, verify_overlaps
from instageo.geodesy.distances import find_near_pairs
from instageo.raster.footprints import enclosing_circles
from instageo.raster.grid import Grid
from instageo.wording import counted

WHOLE_PIXEL = 0.01
"""Parts of a pixel by which two grids may lie from whole pixels of each other, to give an offset in pixels."""

PixelPlace = tuple[tuple[str | float, ...], float, float]
"""Reference system and shape of pixels; row and column of the first pixel, counted from (0, 0) of the system."""

LEAST_SHARE = 1e-6
"""Smaller overlaps are those of neighbours whose corners were rounded."""


def check_overlap(table: MeasuredTable) -> CheckResult:
    """Find chips of which more than a share overlaps with another chip; they form groups."""
    by_ground = _by_footprints(table)
    anchors = [None if chip.image is None else chip.image.anchors for chip in table.chips]
    without = sum(part is not None for part in anchors)
    by_pixels = verify_overlaps(propose_overlaps(anchors), table.read) if without > 1 else []
    pairs = by_ground + by_pixels
    together = [pair for pair in pairs if pair.share > table.settings.min_overlap]
    pairs_shown = [pair for pair in together if not _is_duplicate(table.chips[pair.first], table.chips[pair.second])]
    largest: dict[int, tuple[float, int]] = {}
    for pair in pairs_shown:
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            largest[one] = max(largest.get(one, (0.0, other)), (pair.share, other), key=lambda overlap: overlap[0])
    findings = [
        Finding(table.chips[one], f"{share:.1%} overlap with {table.chips[other].row.name}", share, GROUP)
        for one, (share, other) in sorted(largest.items())
    ]
    remarks = []
    if without and not table.footprints:
        remarks.append("overlap: compared by pixels, because the chips have no coordinates")
    elif without:
        remarks.append(f"overlap: {counted(without, 'chip', 'were')} compared by pixels, without coordinates")
    return CheckResult(
        findings, remarks, together, [pair for pair in pairs if pair.share <= table.settings.min_overlap]
    )


def _is_duplicate(first: ChipFacts, second: ChipFacts) -> bool:
    """Return whether two chips have the same pixels, which is the finding of another check."""
    return (first.image and first.image.pixel_hash) == (second.image and second.image.pixel_hash)


def _by_footprints(table: MeasuredTable) -> list[Shared]:
    """Return the pairs whose footprints overlap, at equal dates or at any."""
    by_dates: dict[tuple[date, ...] | None, list[int]] = defaultdict(list)
    for position in table.footprints:
        dates = table.chips[position].row.dates if table.settings.overlap_dates == "equal" else None
        by_dates[dates].append(position)
    origins = {
        position: pixel_place(image.grid) for position in table.footprints if (image := table.chips[position].image)
    }
    return [pair for positions in by_dates.values() for pair in _pairs(table, positions, origins)]


def _pairs(table: MeasuredTable, positions: Sequence[int], origins: Mapping[int, PixelPlace]) -> list[Shared]:
    footprints = [table.footprints[position] for position in positions]
    near = find_near_pairs(enclosing_circles(footprints), None, 0.0)
    corners = np.array([footprint.corners for footprint in footprints])
    shares = overlap_shares(corners[near[:, 0]], corners[near[:, 1]])
    pairs = []
    for (one, other), share in zip(near[shares > 0].tolist(), shares[shares > 0].tolist(), strict=True):
        first, second = positions[one], positions[other]
        pairs.append(Shared(first, second, share, _offset(origins[first], origins[second])))
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


def pixel_place(grid: Grid) -> PixelPlace:
    """Return which grid of pixels a raster belongs to, and row and column of its first pixel in it, from (0, 0)."""
    a, b, c, d, e, f = grid.transform[:6]
    row, column = (float(part) for part in np.linalg.solve([[e, d], [b, a]], [f, c]))
    return (grid.crs or "", *(float(f"{part:.9g}") for part in (a, b, d, e))), row, column


def _offset(first: PixelPlace, second: PixelPlace) -> tuple[int, int] | None:
    """Return rows and columns by which the second chip lies further; None if their pixels do not coincide."""
    rows, columns = second[1] - first[1], second[2] - first[2]
    is_whole = max(abs(rows - round(rows)), abs(columns - round(columns))) <= WHOLE_PIXEL
    return (round(rows), round(columns)) if first[0] == second[0] and is_whole else None
