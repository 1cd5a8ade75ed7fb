"""Training as a Lightning module: one step for training, validation and test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from instageo.model.augmentations.pipeline import AugmentationSpec, augment, normalize, process_and_augment
from instageo.model.chips.sample import Sample, label_mask
from instageo.model.dataset.sampler import epoch_seed
from instageo.model.distillation.loss import DistillationLoss
from instageo.model.inference.tiling import Tiling, predict_images
from instageo.model.networks.lora import merge_lora
from instageo.model.tasks.base import TaskMetrics
from instageo.model.training.optimizer import Optimisation, build_optimiser


@dataclass(frozen=True)
class PreprocessConfig:
    """How decoded chips become what the network sees.

    Attributes:
        mean: One per band, in the unit of the chips.
        std: One per band.
        augmentations: Applied to training batches alone, in order.
        ignore_index: Class that does not count.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmentations: tuple[AugmentationSpec, ...] = ()
    ignore_index: int = -1


class FineTuningModule(pl.LightningModule):
    """Trains and scores a network from image (B, C, T, H, W), time and place to outputs (B, K, H, W).

    Args:
        net: The network.
        loss: From outputs and labels (B, H, W), in their natural unit, to a scalar.
        metrics: Scores of the validation and test images.
        inputs: Normalisation and augmentation.
        optimisation: Optimiser and schedule.
        tiling: How validation and test images are cut.
        monitor: The score that is shown while training.
        facts: From the newest scores to further entries of checkpoints.
        distiller: Lets the network learn from a teacher too.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: nn.Module,
        loss: nn.Module,
        metrics: TaskMetrics,
        inputs: PreprocessConfig,
        optimisation: Optimisation,
        tiling: Tiling,
        monitor: str,
        facts: Callable[[Mapping[str, float]], dict[str, Any]],
        distiller: DistillationLoss | None = None,
    ) -> None:
        super().__init__()
        self.net, self.loss, self.metrics, self.distiller = net, loss, metrics, distiller
        self.inputs, self.optimisation, self.tiling = inputs, optimisation, tiling
        self.monitor, self.facts = monitor, facts
        self.register_buffer("mean", torch.tensor(inputs.mean), persistent=False)
        self.register_buffer("std", torch.tensor(inputs.std), persistent=False)
        self.generator = torch.Generator()

    def forward(self, batch: Sample) -> Tensor:
        """Outputs of a batch of decoded chips."""
        return self._logits(replace(batch, image=normalize(batch.image, batch.valid, self.mean, self.std)))

    def _logits(self, ready: Sample) -> Tensor:
        logits: Tensor = self.net(ready.image, ready.temporal_coords, ready.location_coords)
        return logits

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a sample, or a list of them."""
        return batch.to(device) if isinstance(batch, Sample) else [sample.to(device) for sample in batch]

    def on_train_epoch_start(self) -> None:
        """Make the epoch's randomness depend on seed, epoch and process alone, so that resuming is exact."""
        seed = epoch_seed(self.optimisation.seed, self.current_epoch, self.global_rank)
        torch.manual_seed(seed)
        self.generator.manual_seed(seed)

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Loss of one batch of random windows."""
        how = self.mean, self.std, self.inputs.augmentations, self.generator, self.inputs.ignore_index
        if self.distiller is None:
            ready = process_and_augment(batch, *how)
            loss: Tensor = self.loss(self._logits(ready), ready.label)
        else:
            loss = self._taught(self.distiller, augment(batch, *how))
        self.log(
            "train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch.image), sync_dist=True
        )
        return loss

    def _taught(self, distiller: DistillationLoss, seen: Sample) -> Tensor:
        """Loss of an augmented batch, its teacher's word included; logs the parts."""
        ready = replace(seen, image=normalize(seen.image, seen.valid, self.mean, self.std))
        loss, parts = distiller(self.net, self.loss, seen, ready)
        named = {f"train_{name}_loss": part for name, part in parts.items()}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=len(seen.image), sync_dist=True)
        total: Tensor = loss
        return total

    def _score(self, batch: Sequence[Sample], stage: str) -> None:
        """Count the pixels of whole chips, and log their losses, weighted by labelled pixels, once for all of them."""
        losses, labelled = [], []
        for sample, logits in zip(batch, predict_images(self, batch, self.tiling), strict=True):
            if sample.label is None:
                raise ValueError("scoring needs labels")
            self.metrics.update(logits, sample.label)
            losses.append(self.loss(logits[None], sample.label[None]))
            labelled.append(label_mask(sample.label, self.inputs.ignore_index).sum())
        weights = torch.stack(labelled)
        if total := int(weights.sum()):
            loss = (torch.stack(losses) * weights).sum() / total
            self.log(f"{stage}_loss", loss, on_epoch=True, batch_size=total, sync_dist=True)

    def validation_step(self, batch: Sequence[Sample], batch_idx: int) -> None:
        """Score whole chips."""
        self._score(batch, "val")

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the epoch before."""
        self.metrics.reset(self.device)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the epoch."""
        for name, value in self.metrics.compute().items():
            if value.ndim == 0 and value.is_floating_point():
                self.log(f"val_{name}", value.float(), prog_bar=f"val_{name}" == self.monitor)

    def configure_optimizers(self) -> Any:
        """AdamW and its schedule, which counts optimiser steps."""
        epochs = int(self.trainer.max_epochs or 1)
        steps = max(int(self.trainer.estimated_stepping_batches) // epochs, 1)
        besides = list(self.distiller.parameters()) if self.distiller else []
        return build_optimiser(self.net, self.optimisation, steps, epochs, besides)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what inference needs beside the weights, which it finds plain, without low-rank changes apart."""
        if "optimizer_states" not in checkpoint:
            lasting = {key: value for key, value in checkpoint["state_dict"].items() if key.startswith("net.")}
            checkpoint["state_dict"] = merge_lora(self.net, lasting, "net.")
        measured = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        checkpoint.update(self.facts(measured))
