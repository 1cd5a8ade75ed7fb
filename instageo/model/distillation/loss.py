"""Learning from a teacher beside labels: any trained network teaches any other that sees its bands."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from instageo.model.augmentations.pipeline import normalize
from instageo.model.chips.sample import Sample
from instageo.model.distillation.feature_matching import FeatureMatchingLoss
from instageo.model.networks.segmenter import PrithviSegmenter

NetworkOutput = tuple[Tensor, list[Tensor]]
"""Logits (B, K, H, W), and maps of tokens (B, embed_dim, T, h, w)."""

SoftLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From outputs of student and teacher, and observed pixels (B, H, W), to a scalar; see `losses/soft_targets.py`."""


class TeacherNetwork:
    """A trained network that is asked, and neither changed nor saved.

    It is no `nn.Module`: a module that holds it has none of its parameters in its state dict, and leaves it in
    evaluation mode when it is itself put into training mode.

    Args:
        net: Changed in place: to evaluation mode, without gradients, on the device of what it is asked.
        mean: One per band of its own, in the unit of the chips.
        std: One per band.
        bands: Positions of its bands among those of the chips.
    """

    def __init__(
        self, net: PrithviSegmenter, mean: Sequence[float], std: Sequence[float], bands: Sequence[int]
    ) -> None:
        self.net = net.eval().requires_grad_(False)
        self.bands = list(bands)
        self._mean, self._std = torch.tensor(list(mean)), torch.tensor(list(std))

    @torch.no_grad()
    def __call__(self, batch: Sample) -> NetworkOutput:
        """What it says of decoded chips, augmented but not normalised, which stay as they are."""
        device = batch.image.device
        if self._mean.device != device:
            self.net.to(device)
            self._mean, self._std = self._mean.to(device), self._std.to(device)
        bands = batch.image
        if self.bands != list(range(bands.shape[1])):
            bands = bands[:, self.bands]
        image = normalize(bands, batch.valid, self._mean, self._std)
        return self.net.forward_with_features(image, batch.temporal_coords, batch.location_coords)


class DistillationLoss(nn.Module):
    """The loss of a student: (1 - weight) x task + weight x soft + feature_weight x features.

    The projections of `matching` are its only parameters; they are trained with the student and serve it no longer
    than that.

    Args:
        teacher: Who is asked.
        soft: Distance of outputs; `soft_targets` of a temperature for classes.
        weight: 0..1.
        matching: Distance of tokens; None to leave them out.
        feature_weight: 0 or more.
    """

    def __init__(
        self,
        teacher: TeacherNetwork,
        soft: SoftLoss,
        weight: float,
        matching: FeatureMatchingLoss | None = None,
        feature_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.teacher, self.soft, self.weight = teacher, soft, weight
        self.matching, self.feature_weight = matching, feature_weight

    def forward(
        self, net: PrithviSegmenter, task: Callable[[Tensor, Tensor], Tensor], seen: Sample, ready: Sample
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, a scalar, and its parts by name.

        Args:
            net: The student.
            task: Loss of outputs against labels.
            seen: The batch as augmented, for the teacher to normalise its own way.
            ready: The same batch, normalised for the student.
        """
        answer, their_maps = self.teacher(seen)
        inputs = ready.image, ready.temporal_coords, ready.location_coords
        logits, maps = (net(*inputs), []) if self.matching is None else net.forward_with_features(*inputs)
        if ready.label is None:
            raise ValueError("training needs labels")
        observed = seen.valid.any(1)
        if logits.shape[-2:] != observed.shape[-2:]:  # one output per chip
            observed = observed.flatten(1).any(1)[:, None, None]
        parts = {"task": task(logits, ready.label), "soft": self.soft(logits, answer, observed)}
        total = (1 - self.weight) * parts["task"] + self.weight * parts["soft"]
        if self.matching is not None:
            parts["feature"] = self.matching(maps, their_maps, seen.valid)
            total = total + self.feature_weight * parts["feature"]
        return total, {name: part.detach() for name, part in parts.items()}
