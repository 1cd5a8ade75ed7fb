"""Scores of the test chips of all folds together, from the content of each fold's `metrics.json`.

Counts of pixels or chips add up exactly, so these are the scores that one table with the chips of all folds would have.
Scores that rank probabilities (ROC-AUC, mean average precision) are left out: each fold has a network of its own, and
probabilities of different networks do not share a scale (Forman and Scholz 2010).
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import torch

from instageo.errors import ConfigError
from instageo.model.metrics.error_sums import ErrorSums
from instageo.model.metrics.multilabel import scores_from_pairs
from instageo.model.metrics.regression import scores_from_sums
from instageo.model.metrics.segmentation import scores_from_confusion
from instageo.model.metrics.summary import summarize_scores

Content = Mapping[str, Any]
"""Content of a `metrics.json`."""


def pool_scores(contents: Sequence[Content]) -> dict[str, Any]:
    """Return the scores of the chips of all folds together, in the form of `metrics.json`.

    Args:
        contents: The content of each fold's `metrics.json`, all of one task.

    Raises:
        ConfigError: The folds differ in their classes.
    """
    if "confusion_matrix" not in contents[0]:
        return _pool_regression(contents)
    names = list(contents[0]["per_class"])
    for content in contents[1:]:
        if list(content["per_class"]) != names:
            raise ConfigError(
                f"one fold has the classes {', '.join(names)}, another {', '.join(content['per_class'])}; all folds of "
                "a cross-validation need the same classes"
            )
    counts = torch.stack([torch.tensor(content["confusion_matrix"]) for content in contents]).sum(dim=0)
    if counts.ndim == 2:
        return summarize_scores(scores_from_confusion(counts), names)
    samples = torch.tensor([[content["samples"][name] for name in ("labelled", "right")] for content in contents])
    return summarize_scores(scores_from_pairs(counts, samples.sum(0)), names)


def _pool_regression(contents: Sequence[Content]) -> dict[str, Any]:
    """Return the scores of a regression over all folds, from its sums; shares are weighted by their labels."""
    sums = reduce(ErrorSums.merge, [ErrorSums.from_dict(content["sums"]) for content in contents])
    pooled = summarize_scores(scores_from_sums(sums))
    total = sum(content["count"] for content in contents)
    for name in ("expected_error", "coverage"):
        pooled.pop(name, None)
        if total and all(name in content for content in contents):
            pooled[name] = sum(content["count"] * content[name] for content in contents) / total
    return pooled
