"""Tables as settings describe them: every row looked at, what was left out written down, samples read from the rest."""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from instageo.errors import RasterError
from instageo.locations import hide_secrets, is_remote
from instageo.model.assemble import chip_format, label_format
from instageo.model.backbones.variants import find_variant
from instageo.model.cache import Cache, DiskCache, MemoryCache, Slot
from instageo.model.check import TableReport, judge, look_at_rows
from instageo.model.config import to_plain
from instageo.model.dataset import RandomWindows
from instageo.model.distributions import sampled_values
from instageo.model.facts import FactsFile, Found
from instageo.model.fingerprint import table_account
from instageo.model.layout import band_names
from instageo.model.look import Look
from instageo.model.sampling import Shares, balanced_shares
from instageo.model.settings import CacheKind, Mode, Run, SamplerKind, Settings, value_of
from instageo.model.source import ChipSource, slots
from instageo.table import Row, read_table, write_table

log = logging.getLogger(__name__)


def root_of(settings: Settings) -> str:
    """The folder, or URL of one, that the tables' paths start from."""
    root = str(settings.root_dir)
    return root if is_remote(root) else str(Path(root).expanduser())


def cache_folder(settings: Settings) -> Path:
    """Where checks and decoded chips are kept: `dataloader.cache_dir`, else $INSTAGEO_CACHE, else ~/.cache/instageo."""
    told = settings.dataloader.cache_dir or os.environ.get("INSTAGEO_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(told or Path(base) / "instageo").expanduser()


def checked_table(run: Run, which: str, *, labelled: bool | None = True, values: bool = False) -> TableReport:
    """Read the table named by a setting and look at every row that has changed since the last time.

    Rows that cannot be used are listed with their reasons in `broken_rows_*.csv` in the run's folder.

    Args:
        run: Settings, and where the list goes.
        which: `train_filepath`, `valid_filepath` or `test_filepath`.
        labelled: Whether labels are needed; None to look at them where the table has any.
        values: Whether the moments of the chips' values are wanted.

    Raises:
        TableError: The table cannot be used.
        DataError: Rows of it cannot.
    """
    settings = run.settings
    path = str(value_of(settings, which))
    name, root = hide_secrets(path), root_of(settings)
    labels = label_format(settings)
    rows = read_table(path, root, need_label=bool(labelled), label_is_file=not labels.per_chip)
    labelled = any(row.label for row in rows) if labelled is None else labelled
    look = Look(chip_format(settings), labels if labelled else None, len(band_names(settings)), values)
    known = FactsFile.of(cache_folder(settings) / "checks", path, os.path.abspath(root), look.ways)
    found = look_at_rows(name, rows, look, known)
    _list_broken(rows, found, run.folder / f"broken_rows_{which.removesuffix('_filepath')}.csv")
    report = judge(name, rows, found, skip_bad=settings.dataloader.on_bad_row == "skip")
    run.notes.tables[which], run.notes.configuration = table_account(report, path, root), to_plain(settings)
    if settings.mode in (Mode.train, Mode.eval, Mode.chip_inference) and _takes_coordinates(settings):
        log.info("%s: %s", name, report.coordinates())
    return report


def warn_of_another_unit(settings: Settings, report: TableReport) -> None:
    """Warn if some chips' values are a hundred times smaller or larger than the mean they are normalised with."""
    data, values = settings.dataloader, np.zeros((0, 0), np.float32)
    with suppress(RasterError):  # told where the chip's turn comes
        values = sampled_values(report.rows[:LOOKED_AT], chip_format(settings))
    if not values.size or not data.measured:
        return
    typical, told = np.median(np.abs(values), axis=1), np.abs(data.measured)
    ratio = float(np.median(typical / np.maximum(told, 1e-12)))
    if not 0.01 <= ratio <= 100:
        log.warning(
            "chips hold values of about %.3g where dataloader.mean says %.3g, as if they were of another unit; "
            "correct dataloader.constant_multiplier, or take mean and std of these chips (dataloader.mean=auto)",
            np.median(typical), np.median(told),
        )  # fmt: skip


LOOKED_AT = 4
"""Chips that are read to see whether their values are in the unit of mean and std."""


def shared_chips(first: TableReport, second: TableReport) -> list[str]:
    """Chips that are in both tables."""
    return sorted({row.input for row in first.rows} & {row.input for row in second.rows})


def _takes_coordinates(settings: Settings) -> bool:
    return bool(find_variant(settings.model.model_name).coordinates)


def _list_broken(rows: Sequence[Row], found: Sequence[Found], path: Path) -> None:
    broken = [(row, reason) for row, reason in zip(rows, found, strict=True) if isinstance(reason, str)]
    if not broken:
        return
    records = [
        {"Input": row.name, "Label": row.label and hide_secrets(row.label), "reason": reason} for row, reason in broken
    ]
    write_table(path, records)
    log.warning("%d rows cannot be used; they are listed in %s", len(broken), path)


def chip_source(settings: Settings, report: TableReport, *, once: bool = False) -> ChipSource:
    """Samples of a checked table, kept where `dataloader.cache` says; not in memory if each is read `once` alone."""
    steps = settings.dataloader.temporal_dim
    source = ChipSource(
        report.rows,
        chip_format(settings),
        label_format(settings),
        [(fact.height, fact.width) for fact in report.facts],
        [fact.coordinates(steps) for fact in report.facts],
    )
    kind = settings.dataloader.cache
    if kind is CacheKind.none or (once and kind is CacheKind.memory):
        return source
    layers = len(settings.dataloader.bands or ()) or report.layers
    kept = slots(source, layers, [fact.dtype for fact in report.facts])
    size = sum(slot.size for slot in kept) / 1e9
    log.info("dataloader.cache=%s keeps the layers of %d chips, %.2f GB", kind.value, len(source), size)
    return replace(source, cache=_cache(kind, kept, settings))


def training_windows(settings: Settings, report: TableReport) -> RandomWindows:
    """One random window of every chip, of `dataloader.img_size` pixels on each side."""
    side = settings.dataloader.img_size
    return RandomWindows(chip_source(settings, report), (side, side), settings.train.ignore_index)


def row_shares(settings: Settings, report: TableReport) -> Shares | None:
    """How often each row is drawn, as `dataloader.sampler` says; None for each once."""
    if settings.dataloader.sampler is not SamplerKind.balanced:
        return None
    return balanced_shares([fact.class_counts for fact in report.facts])


def _cache(kind: CacheKind, kept: Sequence[Slot], settings: Settings) -> Cache:
    return MemoryCache(kept) if kind is CacheKind.memory else DiskCache(kept, cache_folder(settings) / "chips")
