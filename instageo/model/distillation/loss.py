"""Distillation: train a student on labels and on a trained teacher whose bands are among those of the chips."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from instageo.model.augmentations.pipeline import normalize
from instageo.model.chips.sample import Sample
from instageo.model.distillation.feature_matching import FeatureMatchingLoss
from instageo.model.networks.base import SegmentationNetwork

NetworkOutput = tuple[Tensor, list[Tensor]]
"""Logits (B, K, H, W), and feature maps (B, embed_dim, T, h, w)."""

SoftLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From outputs of student and teacher, and observed pixels (B, H, W), to a scalar; see `soft_targets.py`."""


class TeacherNetwork:
    """A trained network that predicts, but is neither trained nor saved.

    It is deliberately not an `nn.Module`: a module that holds it has none of its parameters in its state dict, and
    leaves it in evaluation mode when it is itself put into training mode.

    Args:
        net: Changed in place: to evaluation mode, without gradients, on the device of its inputs.
        mean: One per band of the network, in the unit of the chips.
        std: One per band.
        bands: Positions of its bands among those of the chips.
    """

    def __init__(
        self, net: SegmentationNetwork, mean: Sequence[float], std: Sequence[float], bands: Sequence[int]
    ) -> None:
        self.net = net.eval().requires_grad_(False)
        self.bands = list(bands)
        self._mean, self._std = torch.tensor(list(mean)), torch.tensor(list(std))

    @torch.no_grad()
    def __call__(self, batch: Sample) -> NetworkOutput:
        """Return its outputs for decoded chips, augmented but not normalised, which are left unchanged."""
        device = batch.image.device
        if self._mean.device != device:
            self.net.to(device)
            self._mean, self._std = self._mean.to(device), self._std.to(device)
        image = batch.image
        if self.bands != list(range(image.shape[1])):
            image = image[:, self.bands]
        image = normalize(image, batch.valid, self._mean, self._std)
        return self.net.forward_with_features(image, batch.temporal_coords, batch.location_coords)


class DistillationLoss(nn.Module):
    """The loss of a student: (1 - alpha) x task + alpha x soft + feature_weight x feature.

    The projections of `matching` are its only parameters; they are trained with the student and not used afterwards.

    Args:
        teacher: The teacher.
        soft_loss: Distance of outputs; see `soft_targets.py`.
        alpha: Weight of `soft_loss`, 0..1.
        matching: Distance of tokens; None to leave it out.
        feature_weight: Weight of `matching`, 0 or more.
    """

    def __init__(
        self,
        teacher: TeacherNetwork,
        soft_loss: SoftLoss,
        alpha: float,
        matching: FeatureMatchingLoss | None = None,
        feature_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.teacher, self.soft_loss, self.alpha = teacher, soft_loss, alpha
        self.matching, self.feature_weight = matching, feature_weight

    def forward(
        self,
        student: SegmentationNetwork,
        task_loss: Callable[[Tensor, Tensor], Tensor],
        augmented: Sample,
        normalized: Sample,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, a scalar, and its parts by name.

        Args:
            student: The network to train.
            task_loss: Loss of outputs against labels.
            augmented: The augmented batch, which the teacher normalises with its own mean and std.
            normalized: The same batch, normalised for the student.
        """
        teacher_logits, teacher_maps = self.teacher(augmented)
        inputs = normalized.image, normalized.temporal_coords, normalized.location_coords
        logits, maps = (student(*inputs), []) if self.matching is None else student.forward_with_features(*inputs)
        if normalized.label is None:
            raise ValueError("training needs labels")
        observed = augmented.valid.any(1)
        if logits.shape[-2:] != observed.shape[-2:]:  # one output per chip
            observed = observed.flatten(1).any(1)[:, None, None]
        parts = {
            "task": task_loss(logits, normalized.label),
            "soft": self.soft_loss(logits, teacher_logits, observed),
        }
        total = (1 - self.alpha) * parts["task"] + self.alpha * parts["soft"]
        if self.matching is not None:
            parts["feature"] = self.matching(maps, teacher_maps, augmented.valid)
            total = total + self.feature_weight * parts["feature"]
        return total, {name: part.detach() for name, part in parts.items()}
