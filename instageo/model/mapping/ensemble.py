"""Predict tiles with one network or several, each with or without flips and rotations, and how far they disagree."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from instageo.errors import ConfigError
from instageo.model.chips.sample import Sample
from instageo.model.inference.blending import NonFiniteOutputError
from instageo.model.inference.predictor import Predictor
from instageo.model.networks.device import inference_autocast
from instageo.model.settings.derived import band_names


class Symmetry(NamedTuple):
    """A flip and rotation of square tiles: quarter turns to the left, after which columns are reversed or not."""

    turns: int
    flip: bool

    def apply(self, pixels: Tensor) -> Tensor:
        """Transform the last two dimensions."""
        turned = torch.rot90(pixels, self.turns, (-2, -1)) if self.turns else pixels
        return turned.flip(-1) if self.flip else turned

    def undo(self, pixels: Tensor) -> Tensor:
        """Transform the last two dimensions back."""
        straight = pixels.flip(-1) if self.flip else pixels
        return torch.rot90(straight, -self.turns, (-2, -1)) if self.turns else straight


TTA = {
    "none": (Symmetry(0, False),),
    "flips": (Symmetry(0, False), Symmetry(0, True), Symmetry(2, True), Symmetry(2, False)),
    "d4": tuple(Symmetry(turns, flip) for flip in (False, True) for turns in range(4)),
}
"""Sets of symmetries for test-time augmentation: none, both flips and their product, or all eight of a square."""


@dataclass(frozen=True)
class Ensemble:
    """Networks whose probabilities, or values, are averaged.

    Attributes:
        members: At least one; all predict the same classes or values from the same bands and dates.
        symmetries: Each network predicts the tile under each of these; the first is the tile as it is.
    """

    members: Sequence[Predictor]
    symmetries: Sequence[Symmetry] = TTA["none"]

    def __post_init__(self) -> None:
        first = self.members[0]
        for other in self.members[1:]:
            for what, own, wanted in _comparisons(other, first):
                if own != wanted:
                    raise ConfigError(
                        f"{other.settings.checkpoint_path}: has other {what} ({own}) than "
                        f"{first.settings.checkpoint_path} ({wanted}); the members of an ensemble must agree"
                    )

    @property
    def first(self) -> Predictor:
        """The network whose settings say how scenes are read and what outputs mean."""
        return self.members[0]

    @property
    def size(self) -> int:
        """Number of predictions that are averaged."""
        return len(self.members) * len(self.symmetries)

    def predict(self, batch: Sample, *, spread: bool = False) -> Tensor:
        """Return the mean prediction of a batch of decoded tiles, float32, on the device of the first network.

        Args:
            batch: Images (B, C, T, h, w), not normalised, which may be changed.
            spread: Whether the standard deviation over all predictions is returned, too.

        Returns:
            Averages of `Task.activate`, shape (B, K, h, w); with `spread` their deviations follow, (B, 2K, h, w).

        Raises:
            NonFiniteOutputError: An output is infinite or not a number.
        """
        total, squares, device = None, None, self.first.device
        for values in self._predictions(batch):
            values = values.to(device)
            total = values if total is None else total + values
            if spread:
                squares = values**2 if squares is None else squares + values**2
        if total is None:
            raise ValueError("an ensemble has no members")
        mean = total / self.size if self.size > 1 else total
        if squares is None:
            return mean
        return torch.cat([mean, (squares / self.size - mean**2).clamp(min=0).sqrt()], dim=1)

    def _predictions(self, batch: Sample) -> Iterator[Tensor]:
        """Yield the activated outputs of each member under each symmetry, in a fixed order."""
        for member in self.members:
            own = batch.to(member.device)
            for symmetry in self.symmetries:
                turned = replace(own, image=symmetry.apply(own.image), valid=symmetry.apply(own.valid))
                with inference_autocast(member.device, member.settings.precision):
                    outputs = member.forward(turned, in_place=self.size == 1).float()
                finite = torch.stack(torch.aminmax(outputs)).isfinite().all()
                if not finite:
                    raise NonFiniteOutputError(int(outputs.isfinite().flatten(1).all(1).int().argmin()))
                yield symmetry.undo(member.task.activate(outputs))


def _comparisons(other: Predictor, first: Predictor) -> Iterator[tuple[str, object, object]]:
    facts: dict[str, Callable[[Predictor], object]] = {
        "bands": lambda member: ", ".join(band_names(member.settings)),
        "dates": lambda member: member.settings.dataloader.temporal_dim,
        "outputs": lambda member: member.task.num_outputs,
        "classes": lambda member: ", ".join(member.class_names),
        "units": lambda member: (
            member.settings.dataloader.constant_multiplier,
            member.settings.dataloader.constant_offset,
            member.settings.dataloader.radar_unit,
        ),
    }
    for what, fact in facts.items():
        yield what, fact(other), fact(first)
