"""LightningModules from plain hyperparameters, for the Python API: a network, a loss, an optimiser and scores."""

import inspect
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, TypedDict, Unpack

import pytorch_lightning as pl
from torch import Tensor, nn

from instageo.arguments import expect
from instageo.errors import ConfigError
from instageo.model.chips.sample import Sample
from instageo.model.dataset.datamodule import ChipDataModule
from instageo.model.dataset.table_dataset import sample_from_dict
from instageo.model.inference.blending import predict_images
from instageo.model.inference.tiling import Tiling, default_overlap
from instageo.model.losses.factory import output_channels
from instageo.model.losses.from_settings import loss_from_settings, loss_terms_from_settings
from instageo.model.networks.base import SegmentationNetwork
from instageo.model.networks.checkpoint import checkpoint_metadata
from instageo.model.settings import AUTO, LabelKind, Settings
from instageo.model.settings.compose import update_settings
from instageo.model.settings.keywords import fit_settings, settings_of_network, with_data, without_measures
from instageo.model.settings.run_settings import AUTO_PRECISION, PRECISIONS
from instageo.model.tasks.from_settings import task_from_settings
from instageo.model.training.from_settings import optimizer_from_settings
from instageo.model.training.module import FineTuningModule, PreprocessConfig

Loss = str | Mapping[str, Any]
"""Name of a loss, or weights by name, such as `{"cross_entropy": 1, "dice": 0.5}`; see docs/losses.md."""


class OptimizerOptions(TypedDict, total=False):
    """Options of AdamW and its schedule; each has the meaning and the default of its setting in the group `train`.

    Attributes:
        weight_decay: Applied to weights, not to biases and norms.
        layer_decay: Learning rate of each block over that of the next; 1 for the same for all.
        scheduler: `cosine`, `constant` or `one_cycle`.
        warmup_epochs: Epochs over which the learning rate rises from 0.
        batch_size: Tiles per pass through the network in validation.
        seed: Decides dropout in each epoch.
    """

    weight_decay: float
    layer_decay: float
    scheduler: str
    warmup_epochs: float
    batch_size: int
    seed: int


class NetworkTask(FineTuningModule):
    """Base class of the tasks below: trains and scores a network on batches that are ready for it.

    Batches are dictionaries as `ChipDataModule` and `ChipDataset` with `statistics` give them: normalised images, and
    labels. Validation maps whole chips tile by tile, so that each labelled pixel counts once.

    Args:
        net: Takes (image, temporal_coords, location_coords) to outputs.
        values: Settings of the task, `group.key: value`.
    """

    def __init__(self, net: nn.Module, values: Mapping[str, Any]) -> None:
        _check_network(net)
        settings = settings_of_network(net, values)
        if isinstance(net, SegmentationNetwork):
            check_outputs(net, settings)
        self.settings, measured = settings, without_measures(settings)
        task = task_from_settings(measured)
        super().__init__(
            net,
            task.wrap_loss(loss_from_settings(measured)),
            task.build_metrics(final=False, sync=True),
            PreprocessConfig((0.0,), (1.0,), _tiling(settings), (), settings.train.ignore_index),
            optimizer_from_settings(settings),
            task.monitor.name,
            self._checkpoint_entries,
        )

    def setup(self, stage: str) -> None:
        """Take what is left to a `ChipDataModule` (class weights, scale of the labels, tile size) or to the Trainer."""
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, ChipDataModule):
            settings = with_data(self.settings, data.settings)
            self.settings = fit_settings(settings, data.train_data.report) if stage == "fit" else settings
            self.tiling = _tiling(settings)
        if stage == "fit":
            precision = self.trainer.precision  # some of Lightning's formats, such as 64-true, are not valid settings
            recorded = precision if precision in PRECISIONS else AUTO_PRECISION
            self.settings = update_settings(self.settings, {"precision": recorded})
        measured = without_measures(self.settings)
        task = task_from_settings(measured)
        self.loss = task.wrap_loss(loss_from_settings(measured))
        self.metrics = task.build_metrics(final=stage == "test", sync=True)

    def _checkpoint_entries(self, metrics: Mapping[str, float]) -> dict[str, Any]:
        measured = without_measures(self.settings)
        return checkpoint_metadata(measured, measured, None, metrics)

    def forward(self, batch: Sample | Mapping[str, Tensor]) -> Tensor:
        """Return the network's outputs of a batch of normalised images."""
        return super().forward(batch if isinstance(batch, Sample) else sample_from_dict(batch))

    # Dictionaries, which Lightning moves itself; its own method is not reported as overridden.
    transfer_batch_to_device = pl.LightningModule.transfer_batch_to_device

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:  # type: ignore[override]
        """Return the loss of one batch."""
        return super().training_step(sample_from_dict(batch), batch_idx)

    def validation_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> None:  # type: ignore[override]
        """Score a batch of whole chips."""
        super().validation_step(_samples(batch), batch_idx)

    def on_test_epoch_start(self) -> None:
        """Reset the scores."""
        self.metrics.reset(self.device)

    def test_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> None:
        """Score a batch of whole chips."""
        self._score(_samples(batch), "test")

    def on_test_epoch_end(self) -> None:
        """Log the scores that are one number."""
        for name, value in self.metrics.compute().items():
            if value.ndim == 0 and value.is_floating_point():
                self.log(f"test_{name}", value.float())

    def predict_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> list[Tensor]:
        """Return the network's outputs of whole chips, (K, H, W) each."""
        return predict_images(self, _samples(batch), self.tiling)


class SegmentationTask(NetworkTask):
    """Trains a network to predict the class of each pixel.

    It logs `train_loss`, `val_loss` and the validation scores: `val_mIoU`, `val_accuracy`, `val_f1`, `val_precision`
    and `val_recall`; `Trainer.test` logs the same with `test_`, and `test_roc_auc`.

    Args:
        net: From `build_network`, or any module that takes (image, temporal_coords, location_coords) to logits
            (B, num_classes, H, W).
        num_classes: Classes.
        loss: Name of a loss, or weights by name, such as `{"cross_entropy": 1, "dice": 0.5}`.
        lr: Highest learning rate.
        class_weights: One weight per class; "inverse", "sqrt" or "effective" for weights from the training table of the
            `ChipDataModule`; None for equal weights.
        ignore_index: Label that does not count.
        class_names: Names of the classes, for checkpoints and maps.
        class_colors: Red, green and blue in 0..255 of each class, likewise.
        **options: Of the optimiser, see `OptimizerOptions`.

    Raises:
        ConfigError: An argument does not work, or the network has another number of outputs.

    Examples:
        >>> import instageo, pytorch_lightning as pl
        >>> dm = instageo.ChipDataModule(train="train.csv", val="val.csv", crop_size=16)
        >>> net = instageo.build_network("prithvi_eo_tiny", num_classes=2, depth=1, img_size=16)
        >>> task = instageo.SegmentationTask(net, num_classes=2, loss="cross_entropy", lr=1e-3)
        >>> trainer = pl.Trainer(
        ...     max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
        ...     enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
        ... )
        >>> trainer.fit(task, dm)
        >>> sorted(trainer.callback_metrics)[:2]
        ['train_loss', 'val_accuracy']
    """

    def __init__(
        self,
        net: nn.Module,
        num_classes: int = 2,
        loss: Loss = "cross_entropy",
        lr: float = 1e-4,
        *,
        class_weights: Sequence[float] | str | None = None,
        ignore_index: int = -1,
        class_names: Sequence[str] | None = None,
        class_colors: Sequence[Sequence[int]] | None = None,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        values: dict[str, Any] = {"model.num_classes": num_classes, "train.loss": loss}
        values["train.class_weights"] = class_weights
        values |= {"train.ignore_index": ignore_index, "model.class_names": class_names}
        values |= {"model.class_colors": class_colors, "dataloader.label_kind": "raster"}
        super().__init__(net, values | optimizer_settings(lr, options))
        self.save_hyperparameters(ignore=["net"])


class ClassificationTask(NetworkTask):
    """Trains a network to predict the class of whole chips, or, with `multilabel`, the classes that apply to each.

    It logs `train_loss`, `val_loss` and the validation scores, such as `val_f1` and `val_accuracy`, or `val_mAP`.

    Args:
        net: From `build_network` with `head="pooled"`: its outputs have the shape (B, num_classes, 1, 1).
        num_classes: Classes.
        multilabel: Whether any number of classes may apply to a chip.
        loss: Name of a loss, or weights by name; None for `cross_entropy`, or `binary_cross_entropy` with `multilabel`.
        lr: Highest learning rate.
        class_weights: As in `SegmentationTask`.
        ignore_index: Label that does not count.
        class_names: Names of the classes, for checkpoints and records.
        **options: Of the optimiser, see `OptimizerOptions`.

    Raises:
        ConfigError: An argument does not work, or the network does not fit.

    Examples:
        >>> import instageo
        >>> net = instageo.build_network("prithvi_eo_tiny", num_classes=3, head="pooled", depth=1)
        >>> task = instageo.ClassificationTask(net, num_classes=3, lr=1e-3)
        >>> task.monitor
        'val_f1'
    """

    def __init__(
        self,
        net: nn.Module,
        num_classes: int = 2,
        *,
        multilabel: bool = False,
        loss: Loss | None = None,
        lr: float = 1e-4,
        class_weights: Sequence[float] | str | None = None,
        ignore_index: int = -1,
        class_names: Sequence[str] | None = None,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        values: dict[str, Any] = {"model.num_classes": num_classes, "train.loss": loss}
        values["train.class_weights"] = class_weights
        values |= {"train.ignore_index": ignore_index, "model.class_names": class_names}
        values |= {"dataloader.label_kind": "chip_multi" if multilabel else "chip"}
        super().__init__(net, values | optimizer_settings(lr, options))
        self.save_hyperparameters(ignore=["net"])


class RegressionTask(NetworkTask):
    """Trains a network to predict a value for each pixel, or, with the head `pooled`, for each chip.

    It logs `train_loss`, `val_loss` and the validation scores in the unit of the labels: `val_rmse`, `val_mae`,
    `val_bias`, `val_r2` and `val_pearson`.

    Args:
        net: From `build_network` with `num_classes=1` (2 for the loss `gaussian_nll`, the number of quantiles for
            `quantile`).
        loss: Name of a loss, or weights by name; it compares the network's outputs with scaled labels.
        lr: Highest learning rate.
        label_statistics: (mean, std) of the labels: the network's output times std, plus mean, is the value. "auto"
            takes them from the training table of the `ChipDataModule`; without one they are (0, 1).
        use_log_scale: Whether the network works on log(1 + label); pass the same to `ChipDataModule`.
        ignore_index: Label that does not count, in addition to NaN.
        **options: Of the optimiser, see `OptimizerOptions`.

    Raises:
        ConfigError: An argument does not work, or the network has another number of outputs.

    Examples:
        >>> import instageo
        >>> net = instageo.build_network("prithvi_eo_tiny", num_classes=1, depth=1)
        >>> task = instageo.RegressionTask(net, loss="huber", lr=1e-3)
        >>> task.monitor
        'val_rmse'
    """

    def __init__(
        self,
        net: nn.Module,
        loss: Loss = "mse",
        lr: float = 1e-4,
        *,
        label_statistics: tuple[float, float] | str = AUTO,
        use_log_scale: bool = False,
        ignore_index: int = -1,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        mean, std = (AUTO, AUTO) if isinstance(label_statistics, str) else map(float, label_statistics)
        values: dict[str, Any] = {"is_reg_task": True, "train.loss": loss, "train.ignore_index": ignore_index}
        values |= {"dataloader.label_mean": mean, "dataloader.label_std": std, "model.use_log_scale": use_log_scale}
        values |= {"dataloader.label_kind": "chip" if getattr(net, "image_level", False) else "raster"}
        super().__init__(net, values | optimizer_settings(lr, options))
        self.save_hyperparameters(ignore=["net"])


def _check_network(net: object) -> None:
    """Check that an object is a network of the right inputs.

    Raises:
        ConfigError: It is not one.
    """
    expected = "a network from instageo.build_network, or a module whose forward takes (image, temporal_coords, "
    expected += "location_coords)"
    expect(isinstance(net, nn.Module), "net", net, expected)
    try:
        inspect.signature(net.forward).bind(*INPUTS)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        expect(False, "net", net, expected)


INPUTS = ("image", "temporal_coords", "location_coords")
"""What a task passes to its network."""


def optimizer_settings(lr: float, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the group `train` that these arguments stand for."""
    for name in options:
        if name not in OptimizerOptions.__annotations__:
            raise TypeError(f"unknown option {name}; the options are {', '.join(OptimizerOptions.__annotations__)}")
    values = {"seed" if name == "seed" else f"train.{name}": value for name, value in options.items()}
    if options.get("scheduler") == "plateau":
        raise ConfigError('scheduler="plateau" is not available here; use ReduceLROnPlateau in a subclass')
    return {"train.learning_rate": lr, **values}


def check_outputs(net: SegmentationNetwork, settings: Settings) -> None:
    """Check that the network has the outputs that task and loss need.

    Raises:
        ConfigError: It has another number of outputs, or outputs per chip instead of per pixel, or the reverse.
    """
    expected = output_channels(loss_terms_from_settings(settings), settings.model.num_classes)
    if net.config is not None and net.config.num_classes != expected:
        raise ConfigError(
            f"the network has {net.config.num_classes} outputs, but the task needs {expected}; build it with "
            f"num_classes={expected}"
        )
    if net.image_level != (settings.dataloader.label_kind is not LabelKind.raster):
        level, head = ("chip", "light") if net.image_level else ("pixel", "pooled")
        raise ConfigError(f"the network has one output per {level}, which this task cannot use; use head={head!r}")


def _tiling(settings: Settings) -> Tiling:
    """Return how whole chips are cut: tiles of the training size with the usual overlap."""
    side = settings.dataloader.img_size
    return Tiling(
        side, side - default_overlap(side), settings.train.batch_size, task_from_settings(without_measures(settings))
    )


def _samples(batch: Mapping[str, Tensor]) -> list[Sample]:
    sample = sample_from_dict(batch)
    return [sample.map(itemgetter(index)) for index in range(len(sample.image))]
