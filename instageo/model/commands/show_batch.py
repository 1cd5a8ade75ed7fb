"""`mode=show_batch`: draw the first training samples before and after augmentation."""

import logging
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from pathlib import PurePosixPath

import torch

from instageo.model.augmentations.from_settings import augmentations_from_settings
from instageo.model.augmentations.pipeline import AugmentationSpec, plan_augmentations, process_and_augment
from instageo.model.chips.sample import stack_samples
from instageo.model.context import Run
from instageo.model.dataset.from_settings import random_crops_from_settings, sampling_probabilities
from instageo.model.dataset.sampler import EpochSampler, epoch_seed
from instageo.model.figures.colors import class_colors
from instageo.model.figures.samples import SamplePair, SampleStyle, draw_samples
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.tables import inspect_table
from instageo.model.networks.checkpoint import read_checkpoint
from instageo.model.settings import AUTO, Settings, require_settings
from instageo.model.settings.derived import band_names, class_names, describe_layout
from instageo.model.settings.resolve import resolve

log = logging.getLogger(__name__)

NUM_SAMPLES = 6
"""Number of samples in the figure."""


def show_batch(run: Run) -> None:
    """Draw the first samples of `mode=train` with these settings; writes `augmentations.png`."""
    settings = run.settings
    require_settings(settings, "root_dir", "train_filepath")
    checkpoint = read_checkpoint(settings.checkpoint_path) if settings.checkpoint_path else None
    reports: list[TableReport] = []

    def inspect(settings: Settings) -> TableReport:
        augmentations_from_settings(settings)  # reports mistakes before the table is read
        measured = settings.dataloader.mean == AUTO
        reports.append(inspect_table(replace(run, settings=settings), "train_filepath", values=measured))
        log.info(describe_layout(settings, reports[0].layers))
        return reports[0]

    settings = resolve(settings, run.explicit, checkpoint=checkpoint, statistics=inspect)
    [report], specs = reports, augmentations_from_settings(settings)
    classes = () if settings.is_reg_task else tuple(class_names(settings))
    colors = class_colors(settings.model.class_colors, classes)
    std = tuple(settings.dataloader.std)
    style = SampleStyle(band_names(settings), classes, tuple(colors.values()), settings.train.ignore_index, std)
    path = run.folder / "augmentations.png"
    draw_samples(read_first_samples(settings, report, specs), style, path)
    log.info("augmentations (%s): %s", ", ".join(spec.name for spec in specs) or "none is enabled", path)


def read_first_samples(
    settings: Settings, report: TableReport, specs: tuple[AugmentationSpec, ...]
) -> list[SamplePair]:
    """Read the first samples of the first epoch, before and after augmentation, with the random numbers of training."""
    data, crops = settings.dataloader, random_crops_from_settings(settings, report)
    sampler = EpochSampler(len(crops), settings.seed, sampling_probabilities(settings, report))
    keys = list(islice(sampler, NUM_SAMPLES))
    batch = stack_samples([crops[key] for key in keys])
    mean, std, seed = torch.tensor(data.mean), torch.tensor(data.std), epoch_seed(settings.seed, 0)
    before = process_and_augment(batch, mean, std)
    generator = torch.Generator().manual_seed(seed)
    after = process_and_augment(batch, mean, std, specs, generator, settings.train.ignore_index)
    plans = plan_augmentations(specs, torch.Generator().manual_seed(seed), len(keys))  # those that were just applied
    pairs = []
    for number, ((_, index), plan) in enumerate(zip(keys, plans, strict=True)):
        row = report.rows[index]
        title = PurePosixPath(row.name).name + ("" if row.label_is_file else f": {row.label}")
        names = [spec.name for spec, applied in zip(specs, plan.applied, strict=True) if applied]
        title += "\n" + (", ".join(names) or "unchanged")
        pairs.append(SamplePair(title, before.map(itemgetter(number)), after.map(itemgetter(number))))
    return pairs
