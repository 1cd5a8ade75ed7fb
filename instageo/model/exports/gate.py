"""Compare an exported file, loaded again, with the network that it was made of, on real chips."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instageo.errors import ConfigError, DataError
from instageo.model.chips.sample import ignored_value
from instageo.model.exports.graph import ExportGraph, ExportTile, Feed
from instageo.model.inference.agreement import same_predictions
from instageo.model.inference.predictor import Predictor
from instageo.model.tasks.multilabel import MultiLabel
from instageo.model.tasks.regression import Regression
from instageo.wording import counted

Runner = Callable[[Feed], NDArray[np.float32]]
"""A loaded file: from its inputs to its output."""

BATCH = 4
"""Tiles that are computed at once, after a first one alone: a file must take batches of any size."""


class ExportDiffersError(ConfigError):
    """An exported file does not compute what its network does.

    Args:
        finding: What differs, without what to do.
        advice: What to do.
    """

    def __init__(self, finding: str, advice: str) -> None:
        super().__init__(f"{finding}; nothing was written; {advice}")
        self.finding = finding


@dataclass(frozen=True)
class GateLimits:
    """What a file may differ from its network.

    Attributes:
        agreement: Least share of pixels, or of chips, that agree: in their class, or to `tolerance` in their value.
        probability: Largest difference of a probability; None for no limit.
        tolerance: Regression: difference that counts as agreement, as a share of their spread.
        score: Most by which the score on labels may fall: mean IoU or F1; for regression the share by which the root
            mean square error may rise.
    """

    agreement: float
    probability: float | None
    tolerance: float
    score: float


LIMITS = {
    "f32": GateLimits(agreement=0.999, probability=0.01, tolerance=0.01, score=0.001),
    "int8": GateLimits(agreement=0.99, probability=None, tolerance=0.05, score=0.005),
}
"""Limits by precision. Mean IoU is from 0 to 1, so 0.005 is half a point."""

SPREAD = (5, 95)
"""Percentiles of the network's values whose distance is their spread."""


@dataclass
class GateComparison:
    """What was found, in counts and differences.

    Attributes:
        chips: Names of the chips.
        compared: Pixels, or outputs of chips, that were compared.
        agreeing: Those that agree.
        largest: Largest difference of a probability, or of a value.
        spread: Spread of the network's values; None for classes.
        scores: Score of the network and of the file on labels; None without labels.
    """

    chips: set[str] = field(default_factory=set)
    compared: int = 0
    agreeing: int = 0
    largest: float = 0.0
    spread: float | None = None
    scores: tuple[float, float] | None = None

    @property
    def agreement(self) -> float:
        """Share that agrees."""
        return self.agreeing / self.compared if self.compared else 0.0

    def to_dict(self, score_name: str, limits: GateLimits) -> dict[str, Any]:
        """Return plain values for `export.json`."""
        values: dict[str, Any] = {
            "chips": len(self.chips), "compared": self.compared, "agreement": round(self.agreement, 8),
            "required_agreement": limits.agreement,
        }  # fmt: skip
        if self.spread is None:
            values["largest_probability_difference"] = self.largest
        else:
            relative = self.largest / self.spread if self.spread else None
            values |= {"largest_difference": self.largest, "spread": self.spread, "relative_to_spread": relative}
            values["tolerance"] = limits.tolerance
        if self.scores is not None:
            values["score"] = {"name": score_name, "network": self.scores[0], "export": self.scores[1]}
        return values

    def find_fault(self, score_name: str, limits: GateLimits) -> str | None:
        """Return what exceeds the limits; None if nothing does."""
        if not self.compared:
            return "no pixel of the chips was observed"
        if self.agreement < limits.agreement:
            what = "classes" if self.spread is None else f"values within {limits.tolerance:.0%} of their spread"
            count = f"{self.compared} outputs of {counted(len(self.chips), 'chip')}"
            return (
                f"{what} agree on {self.agreement:.4%} of {count}, expected at least {limits.agreement:.1%} "
                f"(largest difference {self.largest:.3g})"
            )
        if self.spread is None and limits.probability is not None and self.largest > limits.probability:
            return f"a probability differs by {self.largest:.3g}, expected at most {limits.probability:g}"
        if self.scores is not None:
            network, export = self.scores
            fall = (export - network) / max(network, 1e-12) if score_name == "rmse" else network - export
            if fall > limits.score or np.isnan(export) > np.isnan(network):
                return f"{score_name} on the labels is {export:.4f} in place of {network:.4f}"
        return None


def check_export(
    predictor: Predictor, graph: ExportGraph, run: Runner, tiles: Sequence[ExportTile], precision: str, what: str
) -> dict[str, Any]:
    """Compare a loaded file with its network.

    Args:
        predictor: The model.
        graph: What the file holds.
        run: The loaded file.
        tiles: Real chips.
        precision: A key of `LIMITS`.
        what: The export, for the message.

    Returns:
        What was found, for `export.json`.

    Raises:
        ExportDiffersError: The file differs from the network.
        DataError: The network's output is not a number.
    """
    limits = LIMITS[precision]
    comparison = compare_export(predictor, graph, run, tiles, limits)
    name = predictor.task.monitor.name.removeprefix("val_")
    if fault := comparison.find_fault(name, limits):
        raise ExportDiffersError(
            f"{what}: is refused, because it does not compute what the network does: {fault}",
            "try another format" if precision == "f32" else "try other calibration chips or precision=f32",
        )
    return comparison.to_dict(name, limits)


def compare_export(
    predictor: Predictor, graph: ExportGraph, run: Runner, tiles: Sequence[ExportTile], limits: GateLimits
) -> GateComparison:
    """Return how a loaded file differs from its network on tiles."""
    task, comparison = predictor.task, GateComparison({tile.name for tile in tiles})
    scores = None
    if any(tile.sample.label is not None for tile in tiles):
        scores = [_LabelScore(predictor), _LabelScore(predictor)]
    values: list[tuple[Tensor, Tensor]] = []
    for batch in _batches(tiles):
        with torch.inference_mode():
            raw = predictor.forward(graph.samples(batch).to(predictor.device)).float().cpu()
            expected = task.value(raw)[:, None] if isinstance(task, Regression) else task.activate(raw)
        exported = graph.interpret(run(graph.feed(batch)))
        if not expected.isfinite().all():
            raise DataError(f"{batch[0].name}: the network's output is not a number, so it cannot be exported")
        if exported.shape != expected.shape:
            raise ConfigError(
                f"the exported file gives the shape {tuple(exported.shape)}, expected {tuple(expected.shape)}"
            )
        if not exported.isfinite().all():
            raise ConfigError(
                f"{batch[0].name}: the exported file gives values that are not numbers; try another format"
            )
        for tile, one, other in zip(batch, expected, exported, strict=True):
            observed = predictor.observed(tile.sample.valid)
            values.append((one[:, observed], other[:, observed]))
            for score, outputs in zip(scores or (), (one, other), strict=False):
                score.update(tile, outputs, observed)
    _count(comparison, task, values, limits)
    if scores:
        comparison.scores = scores[0].compute(), scores[1].compute()
    return comparison


def _count(comparison: GateComparison, task: Any, values: Sequence[tuple[Tensor, Tensor]], limits: GateLimits) -> None:
    """Fill in counts and differences of outputs (K, N), the network's and the file's."""
    expected, exported = (torch.cat(list(part), 1) for part in zip(*values, strict=True))
    if not expected.numel():
        return
    comparison.largest = float((expected - exported).abs().max())
    tolerance = 0.0
    if isinstance(task, Regression):
        low, high = np.percentile(expected.numpy(), SPREAD)
        comparison.spread = float(high - low)
        tolerance = max(limits.tolerance * comparison.spread, 1e-6 * float(expected.abs().max()))
    agrees = same_predictions(task, expected, exported, tolerance)
    comparison.compared, comparison.agreeing = agrees.numel(), int(agrees.sum())


class _LabelScore:
    """The task's own score of probabilities, or values, against labels."""

    def __init__(self, predictor: Predictor) -> None:
        self.task = predictor.task
        self.ignore_index = predictor.settings.train.ignore_index
        self.metrics = self.task.build_metrics(final=isinstance(self.task, MultiLabel))
        self.squares, self.count = 0.0, 0

    def update(self, tile: ExportTile, outputs: Tensor, observed: Tensor) -> None:
        """Count a tile with outputs (K, h, w), if it has a label."""
        label = tile.sample.label
        if label is None:
            return
        label = label.masked_fill(~observed, ignored_value(label, self.ignore_index))
        if isinstance(self.task, Regression):
            error = (outputs[0].double() - label)[label.isfinite()]
            self.squares, self.count = self.squares + float(error.square().sum()), self.count + error.numel()
        else:
            self.metrics.update(self.task.deactivate(outputs), label)

    def compute(self) -> float:
        """Return mean IoU, F1, mean average precision or root mean square error."""
        if isinstance(self.task, Regression):
            return (self.squares / self.count) ** 0.5 if self.count else 0.0
        return float(self.metrics.compute()[self.task.monitor.name.removeprefix("val_")])


def _batches(tiles: Sequence[ExportTile]) -> Iterator[Sequence[ExportTile]]:
    """Divide tiles into one alone and batches of several, so that a frozen batch is found."""
    yield tiles[:1]
    rest = tiles[1:] if len(tiles) > 1 else (*tiles, *tiles)
    for start in range(0, len(rest), BATCH):
        yield rest[start : start + BATCH]
