"""Choice of chips at random, with balanced classes where wanted."""

from collections.abc import Mapping, Sequence

import numpy as np


def sample_chips(
    counts: Sequence[Mapping[int, int]], number: int, *, balance: bool = False, seed: int = 0
) -> list[int]:
    """Return the indices of chips chosen at random, in their order.

    Args:
        counts: Labelled pixels of each class in each chip.
        number: How many; all if there are fewer.
        balance: Whether each further chip is one of the class with the fewest pixels so far.
        seed: Of the choice.
    """
    order = np.random.default_rng(seed).permutation(len(counts)).tolist()
    if not balance:
        return sorted(order[:number])
    left, chosen = dict.fromkeys(order), list[int]()
    totals = dict.fromkeys(sorted({label for count in counts for label in count}), 0)
    queues = {label: [index for index in reversed(order) if counts[index].get(label)] for label in totals}
    while left and len(chosen) < number:
        for label in sorted(totals, key=lambda label: (totals[label], label)):
            while queues[label] and queues[label][-1] not in left:
                queues[label].pop()
            if queues[label]:
                index = queues[label].pop()
                break
        else:
            index = next(iter(left))
        del left[index]
        chosen.append(index)
        for label, pixels in counts[index].items():
            totals[label] += pixels
    return sorted(chosen)
