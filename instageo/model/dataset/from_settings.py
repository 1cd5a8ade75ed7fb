"""Build readers, caches and datasets from settings and checked tables."""

import logging
from dataclasses import replace

import torch

from instageo.model.chips.from_settings import chip_format_from_settings, label_format_from_settings
from instageo.model.dataset.cache import DiskCache, MemoryCache
from instageo.model.dataset.chip_reader import ChipReader, list_cache_entries
from instageo.model.dataset.datasets import RandomCropDataset
from instageo.model.dataset.sampler import Probabilities, balanced_probabilities
from instageo.model.inspection.report import TableReport
from instageo.model.settings import CacheKind, SamplerKind, Settings
from instageo.model.settings.derived import band_names, cache_dir
from instageo.runtime.shared_memory import count_processes
from instageo.wording import counted

log = logging.getLogger(__name__)

BATCHES_AHEAD = 3
"""Batches of a process in shared memory: two that wait, as PyTorch prefetches, and one that is being stacked."""

SAMPLE_SIZE = 2
"""Size of a sample, with label and validity, in images at most."""


def chip_reader_from_settings(
    settings: Settings, report: TableReport, *, once: bool = False, labelled: bool = True
) -> ChipReader:
    """Build the reader of a checked table, with the cache that `dataloader.cache` names.

    Args:
        settings: Resolved settings.
        report: The table.
        once: Whether each chip is read only once, so that a cache in memory is of no use.
        labelled: Whether labels are read.
    """
    dates = settings.dataloader.temporal_dim
    reader = ChipReader(
        report.rows,
        chip_format_from_settings(settings),
        label_format_from_settings(settings) if labelled else None,
        [(stats.height, stats.width) for stats in report.row_stats],
        [stats.coordinates(dates) for stats in report.row_stats],
        {index: stats.scaling for index, stats in enumerate(report.row_stats) if stats.scaling is not None},
    )
    kind = settings.dataloader.cache
    if kind is CacheKind.none or (once and kind is CacheKind.memory):
        return reader
    layers = dates * len(band_names(settings))
    entries = list_cache_entries(reader, layers, [stats.dtype for stats in report.row_stats])
    size = sum(entry.nbytes for entry in entries) / 1e9
    log.info("dataloader.cache=%s keeps the layers of %s, %.2f GB", kind.value, counted(len(reader), "chip"), size)
    cache = MemoryCache(entries) if kind is CacheKind.memory else DiskCache(entries, cache_dir(settings) / "chips")
    return replace(reader, cache=cache)


def random_crops_from_settings(settings: Settings, report: TableReport, *, labelled: bool = True) -> RandomCropDataset:
    """Build a dataset of one random window of each chip, `dataloader.img_size` pixels on each side."""
    side, reader = settings.dataloader.img_size, chip_reader_from_settings(settings, report, labelled=labelled)
    return RandomCropDataset(reader, (side, side), settings.train.ignore_index)


def sampling_probabilities(settings: Settings, report: TableReport) -> Probabilities | None:
    """Return how often each row is drawn, by `dataloader.sampler`; None for once each."""
    if settings.dataloader.sampler is not SamplerKind.balanced:
        return None
    return balanced_probabilities([stats.class_counts for stats in report.row_stats])


def count_workers(settings: Settings, device: str | torch.device, shape: tuple[int, int]) -> int:
    """Return the number of processes that read: `dataloader.num_workers`, or what suits the device.

    A CPU that trains has no core to spare. A GPU would wait for chips; each has its share of the cores.

    Args:
        settings: Resolved settings.
        device: Device of the network.
        shape: Height and width of the largest image.
    """
    if settings.dataloader.num_workers is not None:
        return settings.dataloader.num_workers
    if torch.device(device).type != "cuda":
        return 0
    values = len(band_names(settings)) * settings.dataloader.temporal_dim * shape[0] * shape[1]
    batch_bytes = settings.train.batch_size * SAMPLE_SIZE * 4 * values
    return count_processes(BATCHES_AHEAD * batch_bytes) // max(torch.cuda.device_count(), 1)
