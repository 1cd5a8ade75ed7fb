"""Count attempts at work that may kill its process; without PyTorch, which would take seconds to load."""

from collections import Counter


class AttemptCounter:
    """Counts attempts that were begun and not completed; Ray would repeat work that kills its process for ever."""

    def __init__(self) -> None:
        self.counts: Counter[int | str] = Counter()

    def begin(self, work: int | str) -> int:
        """Count an attempt, and return how many there are of this work."""
        self.counts[work] += 1
        return self.counts[work]

    def complete(self, work: int | str) -> None:
        """Take back the attempt, since its process survived it."""
        self.counts[work] -= 1
