"""`mode=show_batch`: a picture of what augmentation makes of the first training samples."""

import logging
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from pathlib import PurePosixPath

import torch

from instageo.model.augmentations.factory import augmentations_from_settings
from instageo.model.augmentations.pipeline import AugmentationSpec, plan_augmentations, process_and_augment
from instageo.model.chips.sample import stack_samples
from instageo.model.context import Run
from instageo.model.dataset.factory import random_crops_from_settings, sampling_probabilities
from instageo.model.dataset.fit_settings import fit_crop_size, fit_statistics
from instageo.model.dataset.sampler import EpochSampler, epoch_seed
from instageo.model.figures.canvas import class_colors
from instageo.model.figures.samples import SamplePair, SampleStyle, draw_samples
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.tables import inspect_table
from instageo.model.networks.checkpoint import read_checkpoint
from instageo.model.settings import AUTO, Settings, require_settings
from instageo.model.settings.resolve import apply_checkpoint, band_names, class_names, describe_layout, resolve_layout

log = logging.getLogger(__name__)

SAMPLES = 6
"""Samples in the picture."""


def show_batch(run: Run) -> None:
    """Draw the first samples that `mode=train` with these settings learns from; leaves `augmentations.png`."""
    settings = run.settings
    require_settings(settings, "root_dir", "train_filepath")
    if settings.checkpoint_path:
        settings = apply_checkpoint(settings, read_checkpoint(settings.checkpoint_path), run.explicit)
    settings = resolve_layout(settings, run.explicit)
    specs = augmentations_from_settings(settings)
    completed = replace(run, settings=settings)
    report = inspect_table(completed, "train_filepath", values=settings.dataloader.mean == AUTO)
    log.info(describe_layout(settings, report.layers))
    colors = class_colors(settings.model.class_colors, settings.model.num_classes)
    classes = () if settings.is_reg_task else tuple(class_names(settings))
    style = SampleStyle(
        band_names(settings), classes, tuple(colors.values())[: len(classes)], settings.train.ignore_index
    )
    path = run.folder / "augmentations.png"
    draw_samples(first_samples(fit_crop_size(fit_statistics(settings, report), report), report, specs), style, path)
    log.info("augmentations (%s): %s", ", ".join(spec.name for spec in specs) or "none is switched on", path)


def first_samples(settings: Settings, report: TableReport, specs: tuple[AugmentationSpec, ...]) -> list[SamplePair]:
    """The first samples of the first epoch, before and after augmentation, with the same draws as in training."""
    data, windows = settings.dataloader, random_crops_from_settings(settings, report)
    keys = list(islice(EpochSampler(len(windows), settings.seed, sampling_probabilities(settings, report)), SAMPLES))
    batch = stack_samples([windows[key] for key in keys])
    mean, std, seed = torch.tensor(data.mean), torch.tensor(data.std), epoch_seed(settings.seed, 0)
    generator, again = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
    before = process_and_augment(batch, mean, std)
    after = process_and_augment(batch, mean, std, specs, generator, settings.train.ignore_index)
    rows = [report.rows[index] for _, index in keys]
    titles = [PurePosixPath(row.name).name + ("" if row.label_is_file else f": {row.label}") for row in rows]
    for place, lot in enumerate(plan_augmentations(specs, again, len(keys))):
        names = [spec.name for spec, chosen in zip(specs, lot.chosen, strict=True) if chosen]
        titles[place] += "\n" + (", ".join(names) or "unchanged")
    return [
        SamplePair(title, before.map(itemgetter(place)), after.map(itemgetter(place)))
        for place, title in enumerate(titles)
    ]
