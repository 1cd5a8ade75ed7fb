"""Scores of any task as plain numbers, for JSON."""

from collections.abc import Sequence

from torch import Tensor


def summarize_scores(scores: dict[str, Tensor], class_names: Sequence[str] = ()) -> dict[str, object]:
    """Return scores as plain numbers, NaN as None; those of classes or labels under `per_class`, by name.

    Args:
        scores: As returned by `compute` of a task's metrics.
        class_names: Names of the K classes or labels; empty for a regression.
    """
    means = {name: _plain(value) for name, value in scores.items() if value.ndim == 0}
    names = [name for name in scores if name.endswith("_per_class")]
    if not names:
        return dict(means)
    per_class = {
        label: {name.removesuffix("_per_class"): _plain(scores[name][position]) for name in names}
        for position, label in enumerate(class_names)
    }
    return {**means, "per_class": per_class, "confusion_matrix": scores["confusion_matrix"].tolist()}


def _plain(value: Tensor) -> float | None:
    number: float = value.item()
    return None if number != number else number
