"""One image of several records of the same pass: the newest processing wins."""

from collections import defaultdict
from collections.abc import Iterable

from instageo.data.items.item import Item

SAME_IMAGE_S = 60.0
"""Records of one satellite and tile within this many seconds are of the same image."""

SAME_OVERLAP = 0.5
"""Share of the smaller bounding box that records of the same image have in common."""


def newest_processing(items: Iterable[Item]) -> tuple[list[Item], list[Item]]:
    """Return items of which each image occurs once, in the order of time, and the records that were left out.

    Records of the same satellite, collection and tile, sensed within a minute, are of one image; the highest processing
    baseline wins, then the newest record, then the last identity in alphabetical order. Records whose bounding boxes
    overlap by less than half are parts of one image that was split, and all are kept.
    """
    groups: dict[tuple[str, ...], list[Item]] = defaultdict(list)
    for item in sorted(items, key=_rank, reverse=True):
        groups[item.platform, item.collection, item.tile].append(item)
    newest: list[Item] = []
    dropped: list[Item] = []
    for group in groups.values():
        best: dict[int, list[Item]] = defaultdict(list)  # by minute, so that each item is compared with few others
        for item in group:
            minute = int(item.time.timestamp() // SAME_IMAGE_S)
            near = [other for number in (minute - 1, minute, minute + 1) for other in best.get(number, ())]
            if any(_is_same_image(item, other) for other in near):
                dropped.append(item)
            else:
                best[minute].append(item)
        newest += [item for items in best.values() for item in items]
    return sorted(newest, key=lambda item: (item.time, item.id)), dropped


def _is_same_image(first: Item, second: Item) -> bool:
    near = abs((first.time - second.time).total_seconds()) <= SAME_IMAGE_S
    return near and _overlap(first.bounds, second.bounds) >= SAME_OVERLAP


def _overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Return the area that two boxes share, as a part of the smaller box."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return max(width, 0) * max(height, 0) / smaller if smaller > 0 else float(first == second)


def _rank(item: Item) -> tuple[float, str, str]:
    try:
        baseline = float(item.baseline)
    except ValueError:
        baseline = -1.0
    return baseline, item.created, item.id
