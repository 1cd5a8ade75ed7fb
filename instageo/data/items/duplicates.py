"""One image of several records of the same pass: the newest processing wins."""

from collections import defaultdict
from collections.abc import Iterable

from instageo.data.items.item import Item

SAME_IMAGE_S = 60.0
"""Records of one satellite and tile within this many seconds are of the same image."""


def newest_processing(items: Iterable[Item]) -> tuple[list[Item], list[Item]]:
    """Return items of which each image occurs once, in the order of time, and the records that were left out.

    Records of the same satellite, collection and tile, sensed within a minute, are of one image; the highest processing
    baseline wins, then the newest record, then the last identity in alphabetical order.
    """
    groups: dict[tuple[str, ...], list[Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: (item.time, item.id)):
        groups[item.platform, item.collection, item.tile or str(item.bounds)].append(item)
    kept: list[Item] = []
    dropped: list[Item] = []
    for group in groups.values():
        same: list[Item] = []
        for item in group:
            if same and (item.time - same[0].time).total_seconds() > SAME_IMAGE_S:
                _close(same, kept, dropped)
                same = []
            same.append(item)
        _close(same, kept, dropped)
    return sorted(kept, key=lambda item: (item.time, item.id)), dropped


def _close(same: list[Item], kept: list[Item], dropped: list[Item]) -> None:
    best = max(same, key=_rank)
    kept.append(best)
    dropped.extend(item for item in same if item is not best)


def _rank(item: Item) -> tuple[float, str, str]:
    try:
        baseline = float(item.baseline)
    except ValueError:
        baseline = -1.0
    return baseline, item.created, item.id
