"""Parts that follow each other in time, with a gap between them."""

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from instageo.data.splitting.assignment import Assignment
from instageo.errors import ConfigError, DataError

Days = Sequence[tuple[date, ...]]


def split_periods(days: Days, parts: Sequence[str], last_days: Sequence[date]) -> Assignment:
    """Assign chips to periods by their dates; a chip with dates in two periods is dropped.

    Args:
        days: Dates of each chip; chips without any are dropped.
        parts: Names of the periods, the earliest first.
        last_days: Last day of each period but the last.
    """
    edges = np.array([day.toordinal() for day in last_days])
    dated = np.array([bool(row) for row in days])
    first, last = _spans(days)
    start, end = np.searchsorted(edges, first, side="left"), np.searchsorted(edges, last, side="left")
    result = Assignment(tuple(parts), start.astype(np.intp))
    return result.drop(~dated, "no date").drop(start != end, "dates in two periods")


def find_last_days(days: Days, targets: Sequence[float]) -> list[date]:
    """Return the last day of each period but the last, so that the periods come nearest to their shares of chips.

    Raises:
        DataError: There are fewer different days than parts.
    """
    _, last = _spans([row for row in days if row])
    ends, counts = np.unique(last, return_counts=True)
    if len(ends) < len(targets):
        raise DataError(f"chips of {len(ends)} different days cannot fill {len(targets)} periods; use another strategy")
    cumulative, result, position = counts.cumsum(), list[date](), -1
    for number, target in enumerate(np.cumsum(targets)[:-1]):
        left = len(targets) - number - 1
        choices = np.arange(position + 1, len(ends) - left)
        position = int(choices[np.abs(cumulative[choices] - target * cumulative[-1]).argmin()])
        result.append(date.fromordinal(int(ends[position])))
    return result


def parse_last_days(texts: Sequence[str], parts: Sequence[str]) -> list[date]:
    """Return the days of the option `until`.

    Raises:
        ConfigError: One is not a date, there are too few or too many, or they do not rise.
    """
    try:
        days = [date.fromisoformat(text) for text in texts]
    except ValueError as error:
        raise ConfigError(f"until={','.join(texts)} does not work ({error}); expected dates like 2022-12-31") from error
    if len(days) != len(parts) - 1 or days != sorted(set(days)):
        raise ConfigError(
            f"until={','.join(texts)} does not work for {', '.join(parts)}; expected the last day of each part but the "
            f"last, {len(parts) - 1} in all, in rising order"
        )
    return days


def leave_gap(assignment: Assignment, days: Days, gap_days: int) -> Assignment:
    """Drop chips of earlier parts that are less than a number of days before the first chip of a later part."""
    first, last = _spans(days)
    result, limit = assignment, date.max.toordinal()
    for number in range(len(assignment.parts) - 1, -1, -1):
        inside = result.part == number
        name = assignment.parts[number]
        result = result.drop(inside & (last > limit - gap_days), f"less than {gap_days} days before the next part")
        inside = result.part == number
        if inside.any():
            limit = min(limit, int(first[inside].min()))
        elif gap_days:
            result = result.with_notes(f"no chip of {name} is left with a gap of {gap_days} days")
    return result


def find_gap(days: Days, part: NDArray[np.intp], one: int, other: int) -> int | None:
    """Return the days between the dates of two parts, negative if they overlap; None if a part has no dates."""
    spans = []
    for number in (one, other):
        dates = [day for row in np.flatnonzero(part == number).tolist() for day in days[row]]
        if not dates:
            return None
        spans.append((min(dates), max(dates)))
    (_, end), (start, _) = sorted(spans)
    return int((start - end).days)


def _spans(days: Days) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and the last day of each chip as ordinals; 1 without dates."""
    first = np.array([min(row).toordinal() if row else 1 for row in days], dtype=np.intp)
    last = np.array([max(row).toordinal() if row else 1 for row in days], dtype=np.intp)
    return first, last
