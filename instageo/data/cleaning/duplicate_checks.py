"""Checks for chips that are in the table more than once, exactly or nearly."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_facts.facts import ChipFacts
from instageo.data.cleaning.finding import CheckResult, Finding, MeasuredTable, Shared

PARTS = (0, 22, 43, 64)
"""Ends of three parts of a hash of 64 bits: two hashes that differ in at most two bits agree in one of them."""

BLOCK = 2048
"""Hashes that are compared with others at a time."""


def check_duplicate(table: MeasuredTable) -> CheckResult:
    """Find chips with the same pixels and place: the first one is kept, none of them if their labels differ."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for position, chip in enumerate(table.chips):
        if chip.image is not None and chip.image.pixel_hash is not None:
            grid = chip.image.grid
            groups[chip.image.pixel_hash, grid.crs, grid.transform, chip.row.dates].append(position)
    findings: list[Finding] = []
    together: list[Shared] = []
    for positions in groups.values():
        if len(positions) > 1:
            findings += _judge([table.chips[position] for position in positions])
            together += [Shared(positions[0], other, 1.0, (0, 0)) for other in positions[1:]]
    return CheckResult(findings, together=together)


def check_near_duplicate(table: MeasuredTable) -> CheckResult:
    """Find chips that look the same: their difference hashes and their thumbnails nearly agree."""
    positions = [
        position
        for position, chip in enumerate(table.chips)
        if chip.image is not None and chip.image.image_hash is not None
    ]
    images = [image for chip in (table.chips[position] for position in positions) if (image := chip.image)]
    hashes = np.array([image.image_hash for image in images], dtype=np.uint64)
    pairs = []
    for first, second in near_pairs(hashes, table.settings.hash_distance):
        one, other = images[first], images[second]
        if one.pixel_hash == other.pixel_hash and one.grid == other.grid:
            continue  # a duplicate
        correlation = float(np.mean(one.thumbnail.astype(np.float32) * other.thumbnail.astype(np.float32)))
        if correlation > table.settings.min_correlation:
            pairs.append((positions[first], positions[second], correlation))
    return CheckResult(
        _near_findings(table, pairs), together=[Shared(first, second, 1.0) for first, second, _ in pairs]
    )


def near_pairs(hashes: NDArray[np.uint64], distance: int) -> Iterator[tuple[int, int]]:
    """Yield the positions of hashes that differ in at most `distance` bits (up to 2), each pair once."""
    pairs: set[tuple[int, int]] = set()
    for start, end in pairwise(PARTS):
        keys = (hashes >> np.uint64(start)) & np.uint64(2 ** (end - start) - 1)
        order = np.argsort(keys, kind="stable")
        ends = np.flatnonzero(np.diff(keys[order])) + 1
        for bucket in np.split(order, ends):
            for block in range(0, len(bucket) if len(bucket) > 1 else 0, BLOCK):
                own = bucket[block : block + BLOCK]
                differences = np.bitwise_count(hashes[own][:, None] ^ hashes[bucket][None, :])
                for row, column in np.argwhere(differences <= distance):
                    if own[row] < bucket[column]:
                        pairs.add((int(own[row]), int(bucket[column])))
    yield from sorted(pairs)


def _judge(chips: Sequence[ChipFacts]) -> list[Finding]:
    """Return the findings for chips with the same pixels."""
    labels = {chip.label.content if chip.label is not None else None for chip in chips}
    names = [chip.row.name for chip in chips]
    if len(labels) > 1:
        return [
            Finding(chip, f"same pixels as {_other(names, index)}, but another label", 2.0)
            for index, chip in enumerate(chips)
        ]
    return [Finding(chip, f"same pixels and label as {names[0]}, which is kept", 1.0) for chip in chips[1:]]


def _other(names: Sequence[str], index: int) -> str:
    return names[0] if index else names[1]


def _near_findings(table: MeasuredTable, pairs: Sequence[tuple[int, int, float]]) -> list[Finding]:
    """Return one finding for each chip that looks like an earlier one."""
    best: dict[int, tuple[float, int]] = {}
    for first, second, correlation in pairs:
        best[second] = max(best.get(second, (0.0, first)), (correlation, first), key=lambda match: match[0])
    return [
        Finding(
            table.chips[position],
            f"looks like {table.chips[other].row.name} (correlation {correlation:.4f})",
            correlation,
        )
        for position, (correlation, other) in sorted(best.items())
    ]
