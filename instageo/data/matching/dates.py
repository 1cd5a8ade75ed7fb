"""Days at which a chip needs an image."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache


@dataclass(frozen=True)
class Period:
    """Days from which one image of a chip is chosen, both ends included.

    Attributes:
        target: Day that the image should be of.
        first: Earliest day.
        last: Latest day.
    """

    target: date
    first: date
    last: date


@dataclass(frozen=True)
class DateRule:
    """Which days the images of a chip should be of; see the options of the same names.

    Attributes:
        steps: Number of images.
        step_days: Days between two of them.
        tolerance_days: Days by which an image may be away from its day.
        when: `before`, `around` or `after`: images before the observation only, on both sides, or after it only.
        month_start: Whether to count from the first day of the observation's month.
    """

    steps: int = 1
    step_days: int = 30
    tolerance_days: int = 5
    when: str = "before"
    month_start: bool = False

    def periods(self, day: date) -> tuple[Period, ...]:
        """Return the period of each image of an observation, oldest first."""
        return _periods(self, day.replace(day=1) if self.month_start else day)


@lru_cache(maxsize=100_000)
def _periods(rule: DateRule, day: date) -> tuple[Period, ...]:
    if rule.when == "before":
        offsets = [-step * rule.step_days for step in range(rule.steps)][::-1]
    elif rule.when == "after":
        offsets = [step * rule.step_days for step in range(rule.steps)]
    else:
        offsets = [step * rule.step_days - (rule.steps - 1) * rule.step_days // 2 for step in range(rule.steps)]
    periods = []
    for offset in offsets:
        target = _shift(day, offset)
        first, last = _shift(target, -rule.tolerance_days), _shift(target, rule.tolerance_days)
        if rule.when == "before":
            last = min(last, day)
        elif rule.when == "after":
            first = max(first, day)
        periods.append(Period(target, first, last))
    return tuple(periods)


def _shift(day: date, days: int) -> date:
    """Return the day this many days later; at most the last one of the calendar, at least its first."""
    return date.fromordinal(min(max(day.toordinal() + days, date.min.toordinal()), date.max.toordinal()))
