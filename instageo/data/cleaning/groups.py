"""Groups of chips that belong together, from pairs; and where each lies in its group."""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from instageo.data.cleaning.finding import Shared


def find_groups(pairs: Iterable[tuple[int, int]], number: int) -> list[int]:
    """Return the group of each of a number of chips: the smallest position in it; chips without a pair are alone."""
    parents = list(range(number))

    def root(chip: int) -> int:
        while parents[chip] != chip:
            parents[chip] = parents[parents[chip]]
            chip = parents[chip]
        return chip

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parents[high] = low
    return [root(chip) for chip in range(number)]


def locate(pairs: Sequence[Shared], number: int) -> list[tuple[int, int, int]]:
    """Return component, row and column of the first pixel of each chip.

    Chips whose offset is known are placed one after another, beginning with the first of each component; the first row
    and column of a component are 0.
    """
    neighbours: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for pair in pairs:
        if pair.offset is not None:
            rows, columns = pair.offset
            neighbours[pair.first].append((pair.second, rows, columns))
            neighbours[pair.second].append((pair.first, -rows, -columns))
    origins: list[tuple[int, int, int] | None] = [None] * number
    for start in range(number):
        if origins[start] is None:
            _place(start, neighbours, origins)
    located = [origin for origin in origins if origin is not None]
    least: dict[int, tuple[int, int]] = {}
    for component, row, column in located:
        low_row, low_column = least.get(component, (row, column))
        least[component] = min(low_row, row), min(low_column, column)
    return [(component, row - least[component][0], column - least[component][1]) for component, row, column in located]


def _place(
    start: int, neighbours: dict[int, list[tuple[int, int, int]]], origins: list[tuple[int, int, int] | None]
) -> None:
    """Put a chip at (0, 0), and all chips that are connected to it at their offsets from it."""
    origins[start] = (start, 0, 0)
    waiting = deque([(start, 0, 0)])
    while waiting:
        chip, row, column = waiting.popleft()
        for other, rows, columns in neighbours[chip]:
            if origins[other] is None:
                origins[other] = (start, row + rows, column + columns)
                waiting.append((other, row + rows, column + columns))
