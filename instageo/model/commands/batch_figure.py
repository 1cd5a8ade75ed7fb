"""`mode=batch_figure`: a picture of what augmentation makes of the first training samples."""

import logging
from dataclasses import replace
from itertools import islice
from operator import itemgetter
from pathlib import PurePosixPath

import torch

from instageo.model.assemble import augmentations
from instageo.model.check import TableReport
from instageo.model.checkpoint import adopt, read_checkpoint
from instageo.model.figures import class_colors
from instageo.model.fitting import fit_size, measured
from instageo.model.layout import band_names, class_names, complete, describe_layout
from instageo.model.sample import stack
from instageo.model.sample_figure import Pair, Style, draw_samples
from instageo.model.sampling import EpochSampler, epoch_seed
from instageo.model.settings import AUTO, Run, Settings, require
from instageo.model.tables import checked_table, row_shares, training_windows
from instageo.model.transforms import AugmentationSpec, draw_lots, process_and_augment

log = logging.getLogger(__name__)

SAMPLES = 6
"""Samples in the picture."""


def batch_figure(run: Run) -> None:
    """Draw the first samples that `mode=train` with these settings learns from; leaves `augmentations.png`."""
    settings = run.settings
    require(settings, "root_dir", "train_filepath")
    if settings.checkpoint_path:
        settings = adopt(settings, read_checkpoint(settings.checkpoint_path), run.explicit)
    settings = complete(settings, run.explicit)
    specs = augmentations(settings)
    completed = replace(run, settings=settings)
    report = checked_table(completed, "train_filepath", values=settings.dataloader.mean == AUTO)
    log.info(describe_layout(settings, report.layers))
    colors = class_colors(settings.model.class_colors, settings.model.num_classes)
    classes = () if settings.is_reg_task else tuple(class_names(settings))
    style = Style(band_names(settings), classes, tuple(colors.values())[: len(classes)], settings.train.ignore_index)
    path = run.folder / "augmentations.png"
    draw_samples(first_pairs(fit_size(measured(settings, report), report), report, specs), style, path)
    log.info("augmentations (%s): %s", ", ".join(spec.name for spec in specs) or "none is switched on", path)


def first_pairs(settings: Settings, report: TableReport, specs: tuple[AugmentationSpec, ...]) -> list[Pair]:
    """The first samples of the first epoch, before and after augmentation, with the same draws as in training."""
    data, windows = settings.dataloader, training_windows(settings, report)
    keys = list(islice(EpochSampler(len(windows), settings.seed, row_shares(settings, report)), SAMPLES))
    batch = stack([windows[key] for key in keys])
    mean, std, seed = torch.tensor(data.mean), torch.tensor(data.std), epoch_seed(settings.seed, 0)
    generator, again = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
    before = process_and_augment(batch, mean, std)
    after = process_and_augment(batch, mean, std, specs, generator, settings.train.ignore_index)
    rows = [report.rows[index] for _, index in keys]
    titles = [PurePosixPath(row.name).name + ("" if row.label_is_file else f": {row.label}") for row in rows]
    for place, lot in enumerate(draw_lots(specs, again, len(keys))):
        names = [spec.name for spec, chosen in zip(specs, lot.chosen, strict=True) if chosen]
        titles[place] += "\n" + (", ".join(names) or "unchanged")
    return [
        Pair(title, before.map(itemgetter(place)), after.map(itemgetter(place))) for place, title in enumerate(titles)
    ]
