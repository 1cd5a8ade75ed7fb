"""Build readers, caches and datasets from settings and checked tables."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from instageo.model.chips.factory import chip_format_from_settings, label_format_from_settings
from instageo.model.dataset.cache import Cache, CacheEntry, DiskCache, MemoryCache
from instageo.model.dataset.chip_reader import ChipReader, cache_entries
from instageo.model.dataset.datasets import RandomCropDataset
from instageo.model.dataset.sampler import Probabilities, balanced_probabilities
from instageo.model.inspection.report import TableReport
from instageo.model.settings import CacheKind, SamplerKind, Settings
from instageo.model.settings.resolve import cache_dir

log = logging.getLogger(__name__)


def chip_reader_from_settings(settings: Settings, report: TableReport, *, once: bool = False) -> ChipReader:
    """Samples of a checked table, kept where `dataloader.cache` says; not in memory if each is read `once` alone."""
    steps = settings.dataloader.temporal_dim
    source = ChipReader(
        report.rows,
        chip_format_from_settings(settings),
        label_format_from_settings(settings),
        [(fact.height, fact.width) for fact in report.facts],
        [fact.coordinates(steps) for fact in report.facts],
    )
    kind = settings.dataloader.cache
    if kind is CacheKind.none or (once and kind is CacheKind.memory):
        return source
    layers = len(settings.dataloader.bands or ()) or report.layers
    kept = cache_entries(source, layers, [fact.dtype for fact in report.facts])
    size = sum(slot.size for slot in kept) / 1e9
    log.info("dataloader.cache=%s keeps the layers of %d chips, %.2f GB", kind.value, len(source), size)
    return replace(source, cache=_cache_from_settings(kind, kept, settings))


def random_crops_from_settings(settings: Settings, report: TableReport) -> RandomCropDataset:
    """One random window of every chip, of `dataloader.img_size` pixels on each side."""
    side = settings.dataloader.img_size
    return RandomCropDataset(chip_reader_from_settings(settings, report), (side, side), settings.train.ignore_index)


def sampling_probabilities(settings: Settings, report: TableReport) -> Probabilities | None:
    """How often each row is drawn, as `dataloader.sampler` says; None for each once."""
    if settings.dataloader.sampler is not SamplerKind.balanced:
        return None
    return balanced_probabilities([fact.class_counts for fact in report.facts])


def _cache_from_settings(kind: CacheKind, kept: Sequence[CacheEntry], settings: Settings) -> Cache:
    return MemoryCache(kept) if kind is CacheKind.memory else DiskCache(kept, cache_dir(settings) / "chips")
