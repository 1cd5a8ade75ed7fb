"""The Lightning module: training, validation and test steps of any task."""

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
from instageo.model.inference.blending import predict_images
from instageo.model.inference.tiling import Tiling
from instageo.model.networks.lora import merge_lora
from instageo.model.tasks.base import TaskMetrics
from instageo.model.training.optimizer import OptimizerConfig, build_optimizer


@dataclass(frozen=True)
class PreprocessConfig:
    """Steps from decoded chips to inputs of the network.

    Attributes:
        mean: One per band, in the unit of the chips.
        std: One per band.
        tiling: How validation and test images are cut.
        augmentations: Applied to training batches only, in order.
        ignore_index: Label that does not count.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    tiling: Tiling
    augmentations: tuple[AugmentationSpec, ...] = ()
    ignore_index: int = -1


class FineTuningModule(pl.LightningModule):
    """Trains and scores a network from image (B, C, T, H, W), time and place to outputs (B, K, H, W).

    Args:
        net: The network.
        loss: From outputs and labels (B, H, W), in their natural unit, to a scalar.
        metrics: Scores of the validation and test images.
        preprocess: Normalisation, augmentation and tiling.
        optimizer_config: Optimiser and schedule.
        monitor: Name of the score that is shown while training.
        checkpoint_entries: From the newest scores to further entries of checkpoints.
        distiller: Loss against a teacher; None to train on labels only.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: nn.Module,
        loss: nn.Module,
        metrics: TaskMetrics,
        preprocess: PreprocessConfig,
        optimizer_config: OptimizerConfig,
        monitor: str,
        checkpoint_entries: Callable[[Mapping[str, float]], dict[str, Any]],
        distiller: DistillationLoss | None = None,
    ) -> None:
        super().__init__()
        self.net, self.loss, self.metrics, self.distiller = net, loss, metrics, distiller
        self.preprocess, self.tiling, self.optimizer_config = preprocess, preprocess.tiling, optimizer_config
        self.monitor, self.checkpoint_entries = monitor, checkpoint_entries
        self.register_buffer("mean", torch.tensor(preprocess.mean), persistent=False)
        self.register_buffer("std", torch.tensor(preprocess.std), persistent=False)
        self.generator = torch.Generator()

    def forward(self, batch: Sample) -> Tensor:
        """Return the outputs of a batch of decoded chips."""
        return self._forward_normalized(self._normalize(batch))

    def _normalize(self, batch: Sample) -> Sample:
        return replace(batch, image=normalize(batch.image, batch.valid, self.mean, self.std))

    def _forward_normalized(self, batch: Sample) -> Tensor:
        outputs: Tensor = self.net(batch.image, batch.temporal_coords, batch.location_coords)
        return outputs

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a sample, or a list of samples."""
        return batch.to(device) if isinstance(batch, Sample) else [sample.to(device) for sample in batch]

    def on_train_epoch_start(self) -> None:
        """Make the epoch's randomness depend on seed, epoch and process only, so that resuming is exact."""
        seed = epoch_seed(self.optimizer_config.seed, self.current_epoch, self.global_rank)
        torch.manual_seed(seed)
        self.generator.manual_seed(seed)

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Return the loss of one batch of random crops."""
        options = self.mean, self.std, self.preprocess.augmentations, self.generator, self.preprocess.ignore_index
        if self.distiller is None:
            ready = process_and_augment(batch, *options)
            loss: Tensor = self.loss(self._forward_normalized(ready), ready.label)
        else:
            loss = self._distill(self.distiller, augment(batch, *options))
        self.log(
            "train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch.image), sync_dist=True
        )
        return loss

    def _distill(self, distiller: DistillationLoss, augmented: Sample) -> Tensor:
        """Return the distillation loss of an augmented batch, and log its parts."""
        loss, parts = distiller(self.net, self.loss, augmented, self._normalize(augmented))
        named = {f"train_{name}_loss": part for name, part in parts.items()}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=len(augmented.image), sync_dist=True)
        total: Tensor = loss
        return total

    def _score(self, batch: Sequence[Sample], stage: str) -> None:
        """Count the pixels of whole chips, and log the mean of their losses, weighted by labelled pixels."""
        losses, labelled = [], []
        for sample, outputs in zip(batch, predict_images(self, batch, self.tiling), strict=True):
            if sample.label is None:
                raise ValueError("scoring needs labels")
            self.metrics.update(outputs, sample.label)
            losses.append(self.loss(outputs[None], sample.label[None]))
            labelled.append(label_mask(sample.label, self.preprocess.ignore_index).sum())
        weights = torch.stack(labelled)
        if total := int(weights.sum()):
            loss = (torch.stack(losses) * weights).sum() / total
            self.log(f"{stage}_loss", loss, on_epoch=True, batch_size=total, sync_dist=True)

    def validation_step(self, batch: Sequence[Sample], batch_idx: int) -> None:
        """Score whole chips."""
        self._score(batch, "val")

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the previous epoch."""
        self.metrics.reset(self.device)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of the epoch."""
        for name, value in self.metrics.compute().items():
            if value.ndim == 0 and value.is_floating_point():
                self.log(f"val_{name}", value.float(), prog_bar=f"val_{name}" == self.monitor)

    def configure_optimizers(self) -> Any:
        """Build AdamW and its schedule, which counts optimiser steps."""
        num_epochs = int(self.trainer.max_epochs or 1)
        steps_per_epoch = max(int(self.trainer.estimated_stepping_batches) // num_epochs, 1)
        extra_parameters = list(self.distiller.parameters()) if self.distiller else []
        return build_optimizer(self.net, self.optimizer_config, steps_per_epoch, num_epochs, extra_parameters)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the entries that inference needs; merge LoRA in checkpoints without the state of the optimiser."""
        if "optimizer_states" not in checkpoint:
            weights = {key: value for key, value in checkpoint["state_dict"].items() if key.startswith("net.")}
            checkpoint["state_dict"] = merge_lora(self.net, weights, "net.")
        scores = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        checkpoint.update(self.checkpoint_entries(scores))
