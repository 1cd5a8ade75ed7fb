"""The chips of a training run as Lightning takes them: from datasets, or, in the Python API, from tables."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Unpack

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from instageo.arguments import as_records, as_whole_number, expect
from instageo.errors import ConfigError
from instageo.model.augmentations.from_settings import augmentations_from_settings
from instageo.model.augmentations.pipeline import process_and_augment
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.chips.sample import Sample, stack_samples
from instageo.model.dataset.datasets import RandomCropDataset, WholeChipDataset, build_eval_loader, build_loader
from instageo.model.dataset.from_settings import sampling_probabilities
from instageo.model.dataset.sampler import EpochSampler, Probabilities, epoch_seed
from instageo.model.dataset.table_dataset import ChipDataset, Table, sample_from_dict, sample_to_dict
from instageo.model.dataset.unlabelled import PartlyLabelledCrops, PartlyLabelledSampler, stack_partly_labelled
from instageo.model.inspection.leakage import warn_if_shared
from instageo.model.inspection.report import require_same_layout
from instageo.model.settings import AUTO, Settings
from instageo.model.settings.keywords import (
    LABEL_SCALE,
    Augmentations,
    ChipOptions,
    Statistics,
    augmentation_settings,
    chip_settings,
    fit_settings,
    settings_from_keywords,
    statistics_settings,
)
from instageo.model.settings.table_settings import first_with_settings

log = logging.getLogger(__name__)


class LoaderDataModule(pl.LightningDataModule):
    """Data loaders of a training run in one process, or in one of several.

    Args:
        train_data: Random crops to train on.
        val_data: Whole chips to score.
        batch_size: Chips per batch.
        num_workers: Processes that read; 0 to read in the training process.
        seed: Decides the order and the crops of every epoch.
        probabilities: How often each training chip is drawn; None for each once.
        unlabelled_data: Random crops without labels that are added to the training batches; None for none.
        unlabelled_batch_size: How many of them are added to each batch.
    """

    def __init__(
        self,
        train_data: RandomCropDataset,
        val_data: WholeChipDataset,
        *,
        batch_size: int,
        num_workers: int,
        seed: int,
        probabilities: Probabilities | None = None,
        unlabelled_data: RandomCropDataset | None = None,
        unlabelled_batch_size: int = 0,
    ) -> None:
        super().__init__()
        self.train_data, self.val_data = train_data, val_data
        self.unlabelled_data, self.unlabelled_batch_size = unlabelled_data, unlabelled_batch_size
        self.batch_size, self.num_workers = batch_size, num_workers
        self.seed, self.probabilities = seed, probabilities

    def _shard(self) -> dict[str, int]:
        trainer = self.trainer
        return {"rank": trainer.global_rank, "world_size": trainer.world_size} if trainer else {}

    def train_dataloader(self) -> DataLoader[Sample]:
        """Return batches of random crops."""
        sampler = EpochSampler(len(self.train_data), self.seed, self.probabilities, **self._shard())
        if self.unlabelled_data is None:
            return build_loader(self.train_data, sampler, self.batch_size, self.num_workers, stack_samples)
        added = self.unlabelled_batch_size
        return build_loader(
            PartlyLabelledCrops(self.train_data, self.unlabelled_data),
            PartlyLabelledSampler(sampler, len(self.unlabelled_data), self.batch_size, added),
            self.batch_size + added,
            self.num_workers,
            partial(stack_partly_labelled, ignore_index=self.train_data.ignore_index),
        )

    def val_dataloader(self) -> DataLoader[list[Sample]]:
        """Return lists of whole chips; every chip goes to exactly one process."""
        return build_eval_loader(self.val_data, self.batch_size, self.num_workers, **self._shard())


class DataModuleOptions(ChipOptions, total=False):
    """Options of `ChipDataModule`: those of `ChipDataset`, and of the loaders.

    Attributes:
        bands: As in `ChipDataset`.
        seed: Decides the order, the crops and the augmentation of every epoch; 42.
        num_workers: Processes that read; 0 to read in the training process.
        sampler: `shuffle` takes each chip once per epoch; `balanced` draws chips so that each class gets the same share
            of an epoch, as far as chips allow.
    """

    bands: Sequence[int] | Sequence[str] | None
    seed: int
    num_workers: int
    sampler: str


class ChipDataModule(pl.LightningDataModule):
    """The tables of a training run as a LightningDataModule.

    Training batches are random crops, reshuffled every epoch; validation and test batches are whole chips in the
    order of the table, `batch_size` at a time, or one by one if their sizes differ. Batches are dictionaries, see
    `ChipDataset`; a `settings.json` in the folder of one table counts for all of them. Loaders give images in the unit
    of the scaled files; Lightning then calls `on_after_batch_transfer`, which augments training batches and normalises
    all of them on the device, so that steps of a LightningModule see batches that are ready for a network. In a loop
    without a Trainer, call `process` on each batch.

    In a distributed run the rows are shared among the processes: pass `use_distributed_sampler=False` to the Trainer.

    Args:
        train: Training table: CSV, JSON or Parquet with the columns `Input` and `Label`, or a pandas DataFrame.
        val: Validation table; without one, training is not validated.
        test: Test table.
        root_dir: Folder, or URL of one, that the paths in the tables start from; None for the folder of each table.
        batch_size: Chips per batch.
        crop_size: Side of the random crops, pixels; reduced to the size of the training chips if these are smaller.
        statistics: "auto" normalises with mean and standard deviation of the training table; the name of a model with
            those of its pre-training; (mean, std) with these. None leaves images in the unit of the scaled files.
        augmentations: Applied to training batches before normalisation, by name, or with parameters by name; see
            `ChipDataset`.
        **options: How files are read and loaded; see `ChipOptions` and `DataModuleOptions`.

    Raises:
        ConfigError: An argument does not work.

    Examples:
        >>> import instageo
        >>> dm = instageo.ChipDataModule(train="train.csv", val="val.csv", batch_size=4, crop_size=16)
        >>> dm.setup("fit")
        >>> batch = dm.process(next(iter(dm.train_dataloader())), training=True)
        >>> batch["image"].shape, len(dm.mean)
        (torch.Size([4, 6, 1, 16, 16]), 6)
    """

    def __init__(
        self,
        train: Table | None = None,
        val: Table | None = None,
        test: Table | None = None,
        *,
        root_dir: str | Path | None = None,
        batch_size: int = 8,
        crop_size: int = 224,
        statistics: Statistics = "auto",
        augmentations: Augmentations = (),
        **options: Unpack[DataModuleOptions],
    ) -> None:
        super().__init__()
        self.tables = {"train": train, "val": val, "test": test}
        for table in self.tables.values():
            if table is not None:
                as_records(table)
        automatic = isinstance(statistics, str) and statistics == AUTO
        if train is None and automatic:
            raise ConfigError('statistics="auto" needs a training table; pass train, or statistics=(mean, std)')
        self.root_dir, self.statistics = root_dir, statistics
        self.batch_size = as_whole_number("batch_size", batch_size)
        crop_size = as_whole_number("crop_size", crop_size)
        loading: dict[str, Any] = dict(options)
        self.bands, self.seed = loading.pop("bands", None), as_whole_number("seed", loading.pop("seed", 42), least=0)
        self.num_workers = as_whole_number("num_workers", loading.pop("num_workers", 0), least=0)
        sampler = loading.pop("sampler", "shuffle")
        self._options = loading
        values: dict[str, Any] = {
            "dataloader.img_size": crop_size,
            "train.batch_size": self.batch_size,
            "seed": self.seed,
        }
        values |= {"dataloader.num_workers": self.num_workers, "dataloader.sampler": sampler}
        values |= chip_settings(loading, self.bands) | statistics_settings(statistics)
        values |= augmentation_settings(augmentations) | LABEL_SCALE
        normalized = statistics is not None and not automatic
        if root_dir is not None:
            values["root_dir"] = str(root_dir)
        paths = [str(table) for table in self.tables.values() if table is not None and as_records(table) is None]
        self._given = self._fitted = settings_from_keywords(values, normalized=normalized, tables=paths)
        self._described_by = first_with_settings(paths, root_dir)
        self.augmentations = augmentations_from_settings(self._given)
        if self.augmentations and statistics is None:
            raise ConfigError('augmentations need mean and standard deviation of the bands; pass statistics="auto"')
        self._generator, self._drawn_epoch = torch.Generator(), -1

    @cached_property
    def train_data(self) -> ChipDataset:
        """The training table, whose items are normalised random crops."""
        data = self._dataset("train", self.statistics)
        self._fitted = fit_settings(self._given, data.report, crop=True)
        data.crop_size = (self._fitted.dataloader.img_size, self._fitted.dataloader.img_size)
        return data

    @cached_property
    def val_data(self) -> ChipDataset:
        """The validation table, whose items are whole chips, normalised as the training chips."""
        return self._dataset("val", self._fixed_statistics)

    @cached_property
    def test_data(self) -> ChipDataset:
        """The test table, likewise."""
        return self._dataset("test", self._fixed_statistics)

    @property
    def settings(self) -> Settings:
        """All settings that chips are read and normalised by; the training table is inspected if there is one."""
        if self.tables["train"] is not None:
            _ = self.train_data
        return self._fitted

    @property
    def mean(self) -> tuple[float, ...] | None:
        """Mean of each band that images are normalised with; None if they are not."""
        values = self.settings.dataloader.mean
        return None if values is None else tuple(values)

    @property
    def std(self) -> tuple[float, ...] | None:
        """Standard deviation of each band, likewise."""
        values = self.settings.dataloader.std
        return None if values is None else tuple(values)

    @property
    def _fixed_statistics(self) -> Statistics:
        return None if self.mean is None or self.std is None else (self.mean, self.std)

    def _dataset(self, part: str, statistics: Statistics) -> ChipDataset:
        data = ChipDataset(
            self._table(part),
            root_dir=self.root_dir,
            bands=self.bands,
            seed=self.seed,
            statistics=statistics,
            described_by=self._described_by,
            **self._options,
        )
        if part != "train" and self.tables["train"] is not None:
            first, second = (self.train_data.table, self.train_data.report), (data.table, data.report)
            require_same_layout(first, second, chip_format_from_settings(self._given))
            warn_if_shared(first, second)
        return data

    def _table(self, part: str) -> Table:
        """Return a table that is needed."""
        if self.tables[part] is None:
            raise ConfigError(f"there is no {part} table; pass {part}=… to ChipDataModule")
        return self.tables[part]

    def setup(self, stage: str) -> None:
        """Inspect the tables that a stage needs: `fit`, `validate`, `test` or `predict`.

        Raises:
            ConfigError: The stage does not exist or has no table; a training may lack its validation table.
        """
        needed = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("test",)}
        expect(stage in needed, "stage", stage, f"one of {', '.join(needed)}")
        parts = [part for part in needed[stage] if self.tables[part] is not None or (part, stage) != ("val", "fit")]
        for part in parts:
            self._table(part)
        for part in parts:
            getattr(self, f"{part}_data")

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return shuffled batches of random crops."""
        data, self._drawn_epoch = self.train_data, -1
        probabilities = sampling_probabilities(self.settings, data.report)
        rank, world_size = self._shard()
        sampler = EpochSampler(len(data), self.seed, probabilities, rank=rank, world_size=world_size)
        return build_loader(_RawItems(data), sampler, self.batch_size, self.num_workers, default_collate)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[DataLoader[dict[str, Tensor]]]:
        """Return batches of whole chips of the validation table; no loader without such a table."""
        return self._eval_loader(self.val_data) if self.tables["val"] is not None else []

    def test_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return batches of whole chips of the test table."""
        return self._eval_loader(self.test_data)

    def predict_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return batches of whole chips of the test table."""
        return self._eval_loader(self.test_data)

    def _eval_loader(self, data: ChipDataset) -> DataLoader[dict[str, Tensor]]:
        rank, world_size = self._shard()
        keys = [(0, index) for index in range(len(data))][rank::world_size]
        batch_size = self.batch_size if len(set(data.reader.shapes)) == 1 else 1
        return build_loader(_RawItems(data), keys, batch_size, self.num_workers, default_collate)

    def _shard(self) -> tuple[int, int]:
        trainer = self.trainer
        if trainer is None or trainer.world_size == 1:
            return 0, 1
        if trainer._accelerator_connector.use_distributed_sampler:
            raise ConfigError(
                "ChipDataModule shares the rows among processes; pass use_distributed_sampler=False to pl.Trainer"
            )
        return trainer.global_rank, trainer.world_size

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
        """Augment and normalise a batch on its device, when Lightning has moved it there; see `process`."""
        trainer = self.trainer
        if not isinstance(batch, Mapping) or trainer is None:
            return batch
        return self.process(batch, training=trainer.training, epoch=trainer.current_epoch)

    def process(self, batch: Mapping[str, Tensor], *, training: bool = False, epoch: int = 0) -> dict[str, Tensor]:
        """Return a batch of a loader ready for a network: augmented, if it is for training, and normalised.

        Args:
            batch: As a loader gives it, on any device.
            training: Whether it is augmented.
            epoch: Counted from 0; augmentation is drawn from the seed and the epoch.
        """
        sample = sample_from_dict(batch)
        if self.mean is None or self.std is None:
            return sample_to_dict(sample)
        device = sample.image.device
        mean, std = (torch.tensor(values, device=device) for values in (self.mean, self.std))
        if training and epoch != self._drawn_epoch:
            rank = self.trainer.global_rank if self.trainer else 0
            self._generator.manual_seed(epoch_seed(self.seed, epoch, rank))
            self._drawn_epoch = epoch
        chosen = self.augmentations if training else ()
        ignored = self.settings.train.ignore_index
        return sample_to_dict(process_and_augment(sample, mean, std, chosen, self._generator, ignored))


class _RawItems(Dataset[dict[str, Tensor]]):
    """Items of a table without normalisation, by (seed, index): the rest is done to whole batches on the device."""

    def __init__(self, data: ChipDataset) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Tensor]:
        return sample_to_dict(self.data.read(key))
