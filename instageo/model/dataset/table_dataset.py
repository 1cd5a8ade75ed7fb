"""The chips of a table as a PyTorch dataset: what `mode=train` reads, as dictionaries of tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from instageo.arguments import as_path, as_records, as_size, as_whole_number, expect
from instageo.errors import ConfigError
from instageo.locations import hide_secrets
from instageo.model.augmentations.from_settings import augmentations_from_settings
from instageo.model.augmentations.pipeline import process_and_augment
from instageo.model.chips.sample import Sample, stack_samples
from instageo.model.dataset.datasets import draw_window, pad_sample
from instageo.model.dataset.from_settings import chip_reader_from_settings
from instageo.model.inspection.report import TableReport, build_report
from instageo.model.inspection.tables import inspect_settings_table
from instageo.model.inspection.units import MeanFrom, warn_if_units_differ
from instageo.model.settings import AUTO
from instageo.model.settings.compose import update_settings
from instageo.model.settings.derived import band_names
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
from instageo.model.settings.resolve import record_files

Size = int | tuple[int, int]

Table = Any
"""A path or URL of a table, or a pandas DataFrame, which need not be installed."""


class ChipDataset(Dataset[dict[str, Tensor]]):
    """The chips of a table, each as a dictionary of tensors that PyTorch's default collation takes.

    Every row is inspected first, as `instageo check` does it; the results are kept in the cache folder, so that only
    new and changed files are opened the next time. Chips are then read as in `mode=train`.

    An item holds

    - `image`: (C, T, H, W) float32, scaled, and normalised if there are `statistics`; 0 where nothing was observed;
    - `valid`: (T, H, W) bool, False where a date has no observation;
    - `label`: (H, W) int64 with `ignore_index` without a label, or float32 with NaN there; (1, 1) if the table
      labels whole chips, (K, 1, 1) if several classes may apply; absent with `labels=False`;
    - `temporal_coords`: (T, 2) float32, year and day of year, and `location_coords`: (2,) float32, latitude and
      longitude in degrees; NaN where unknown.

    Args:
        table: CSV, JSON or Parquet with the columns `Input` and `Label`; a path or a URL. Or a pandas DataFrame with
            these columns.
        root_dir: Folder, or URL of one, that the paths in the table start from; None for the folder of the table, or
            for the present one with a DataFrame.
        bands: Names of the bands of one date, or 0-based positions in the file for all dates; None for all layers of
            files that hold the six bands of the published weights.
        crop_size: Side, or (height, width), of the random crop that an epoch takes of each chip, pixels; smaller chips
            are padded with no-data. None for whole chips.
        seed: The crop of a row depends on it, on the epoch (`set_epoch`) and on the row alone.
        labels: Whether every row must have a label.
        statistics: "auto" normalises with mean and standard deviation of this table; the name of a model with those of
            its pre-training; (mean, std) with these. None leaves images in the unit of the scaled files.
        augmentations: Applied to each item before normalisation, by name: `("hflip", "rot90")`, or with parameters:
            `{"noise": {"p": 0.5, "std": 0.1}}`; see docs/augmentation.md. They need `statistics`.
        **options: How files are read, such as `sensor`, `temporal_dim`, `no_data_value`, `num_classes` or
            `on_bad_row="skip"`; see `ChipOptions`.

    Attributes:
        report: The rows in use, what each holds, and those left out with their reasons.
        settings: All settings that the chips are read by.

    Raises:
        TableError: The table cannot be read.
        DataError: Rows cannot be used; `on_bad_row="skip"` leaves them out.
        ConfigError: An argument does not work.

    Examples:
        >>> import instageo
        >>> from torch.utils.data import DataLoader
        >>> data = instageo.ChipDataset("train.csv", crop_size=16, seed=1)
        >>> batch = next(iter(DataLoader(data, batch_size=2)))
        >>> batch["image"].shape, batch["label"].shape
        (torch.Size([2, 6, 1, 16, 16]), torch.Size([2, 16, 16]))
    """

    def __init__(
        self,
        table: Table,
        *,
        root_dir: str | Path | None = None,
        bands: Sequence[int] | Sequence[str] | None = None,
        crop_size: Size | None = None,
        seed: int = 42,
        labels: bool = True,
        statistics: Statistics = None,
        augmentations: Augmentations = (),
        **options: Unpack[ChipOptions],
    ) -> None:
        self._records = as_records(table)
        described_by = options.pop("described_by", None)
        self.table = str(table) if self._records is None else "DataFrame"
        root = _folder(self.table) if root_dir is None else as_path("root_dir", root_dir, "a folder, or the URL of one")
        size = None if crop_size is None else as_size("crop_size", crop_size)
        seed = as_whole_number("seed", seed, least=0)
        expect(isinstance(labels, bool), "labels", labels, "True or False")
        automatic = isinstance(statistics, str) and statistics == AUTO
        values = {"root_dir": root, "train_filepath": self.table, "seed": seed, **chip_settings(options, bands)}
        values |= statistics_settings(statistics) | augmentation_settings(augmentations)
        values |= LABEL_SCALE
        fixed = statistics is not None and not automatic
        self.settings = settings_from_keywords(values, normalized=fixed, tables=self._described_by(described_by))
        self.report = self._inspect(labels=labels)
        self.crop_size = size
        self.settings = update_settings(
            self.settings,
            {
                "dataloader.img_size": max(self.crop_size or self.report.max_shape),
                **record_files(self.settings, self.report),
            },
        )
        if statistics is not None:
            self.settings = fit_settings(self.settings, self.report)
            mean_from = MeanFrom.table if automatic else MeanFrom.settings
            warn_if_units_differ(self.settings, self.report, mean_from)
        self.augmentations = augmentations_from_settings(self.settings)
        if self.augmentations and statistics is None:
            raise ConfigError('augmentations need mean and standard deviation of the bands; pass statistics="auto"')
        reader = chip_reader_from_settings(self.settings, self.report)
        self.reader = reader if labels else replace(reader, label_format=None)
        self.seed = seed
        epoch: Tensor = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._epoch = epoch  # in shared memory, so that persistent workers see it change
        self._statistics = None if statistics is None else (torch.tensor(self.mean), torch.tensor(self.std))

    def _described_by(self, given: str | Path | None) -> tuple[str, ...]:
        """Return the table or folder whose `settings.json` counts, if any."""
        if given is not None:
            return (as_path("described_by", given, "a table, or a folder"),)
        return (self.table,) if self._records is None else ()

    def _inspect(self, *, labels: bool) -> TableReport:
        """Return the rows that can be used, inspected as commands do it."""
        data = self.settings.dataloader
        measured = data.mean == AUTO
        rows, results = inspect_settings_table(
            self.settings, self.table, labelled=labels, values=measured, records=self._records
        )
        return build_report(hide_secrets(self.table), rows, results, skip_bad=data.on_bad_row == "skip")

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands of one date."""
        return band_names(self.settings)

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
    def epoch(self) -> int:
        """The epoch that random crops are drawn for, counted from 0."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Draw the random crops of another epoch; loading processes that are running follow, too.

        Batches that such a process has prepared before still have the crops of the epoch before, so call it between
        epochs.
        """
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.reader)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({hide_secrets(self.table)}: {self.report.summary()})"

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"chip {index} of {len(self)}")
        return self.item((self.crop_seed, index % len(self)))

    @property
    def crop_seed(self) -> int:
        """Seed of the crops of this epoch, the same that `mode=train` takes."""
        return int(np.random.SeedSequence((self.seed, self.epoch)).generate_state(1)[0])

    def item(self, key: tuple[int, int]) -> dict[str, Tensor]:
        """Return the item of one row whose crop and augmentation are drawn from the seed in `key`: (seed, index)."""
        sample = self.read(key)
        if self._statistics is not None:
            mean, std = self._statistics
            generator = torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
            ignored = self.settings.train.ignore_index
            ready = process_and_augment(stack_samples([sample]), mean, std, self.augmentations, generator, ignored)
            sample = ready.map(lambda tensor: tensor[0])
        return sample_to_dict(sample)

    def read(self, key: tuple[int, int]) -> Sample:
        """Return the chip, or a random crop of it, of one row as read, without normalisation; `key` as in `item`."""
        seed, index = key
        if self.crop_size is None:
            return self.reader.read(index)
        window = draw_window(self.reader.shapes[index], self.crop_size, np.random.default_rng((seed, index)))
        return pad_sample(self.reader.read(index, window), self.crop_size, self.settings.train.ignore_index)


def sample_to_dict(sample: Sample) -> dict[str, Tensor]:
    """Return the tensors of a sample or batch by name, without those that it lacks."""
    return {name: value for name, value in vars(sample).items() if value is not None}


def sample_from_dict(batch: Mapping[str, Tensor]) -> Sample:
    """Return a sample or batch of a dictionary of tensors; one without `valid` counts as observed everywhere."""
    image = batch["image"]
    valid = batch.get("valid")
    if valid is None:
        valid = torch.ones_like(image.select(-4, 0), dtype=torch.bool)
    return Sample(image, valid, batch.get("label"), batch.get("temporal_coords"), batch.get("location_coords"))


def _folder(table: str) -> str:
    """Return the folder of a table, local or a URL."""
    return table.rpartition("/")[0] if "://" in table else str(Path(table).parent)
