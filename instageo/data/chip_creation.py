"""Make chips: search, match, read, write; each step leaves what a stopped run needs to go on."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from instageo.data.catalogs.item_lists import write_items
from instageo.data.chip_job import ChipJob
from instageo.data.chip_settings import ChipSettings
from instageo.data.labelling.area_labelling import AreaLabelling
from instageo.data.labelling.from_settings import RASTERS
from instageo.data.labelling.labelling import Labelling
from instageo.data.labelling.point_labelling import PointLabelling
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.matching.match import Matches
from instageo.data.output.chip_writer import ChipWriter
from instageo.data.output.journal import ChipJournal, Finished
from instageo.data.output.plan_report import PlanReport
from instageo.data.output.run_settings import check_settings, settings_record, write_settings
from instageo.data.output.skipped import Reason, Skipped
from instageo.data.output.tables import ChipReport, count_reasons, write_chip_table, write_report, write_skipped
from instageo.data.reading.chip_reader import BatchReader
from instageo.data.reading.estimate import MAX_HEADERS, estimate
from instageo.data.reading.hosts import HostDownError
from instageo.data.reading.pixel_source import PixelSource
from instageo.data.reading.planned_reads import planned_images, sample_reads
from instageo.data.scene_search import ITEMS, SceneSearch, search_scenes
from instageo.errors import ConfigError, RunFolderError
from instageo.files import remove_partial_files
from instageo.runtime.progress import track
from instageo.stores.lock import LockedError, hold_output
from instageo.vectors.vector_files import is_vector
from instageo.wording import counted

log = logging.getLogger(__name__)

MAX_BATCH_CHIPS = 512
"""Most chips that are read at a time."""

BYTES_PER_VALUE = 16
"""Memory for a value of a chip while it is read: stored, decoded, and its validity."""


def create_chips(settings: ChipSettings) -> ChipReport:
    """Make chips from a table of points.

    Writes `chips.csv`, `chips/`, `labels/`, `skipped.csv`, `items.json`, `settings.json` and `report.json`.

    Args:
        settings: Options; `input` is the table.

    Raises:
        ConfigError: Options contradict each other or the product.
        TableError: The table has problems; all of them are in the message.
        DataError: The catalogue cannot be reached, or has no images.
        RunFolderError: The output folder is in use, or holds other chips.
    """
    return _create(settings, PointLabelling.from_settings(settings))


def _create(settings: ChipSettings, labelling: Labelling) -> ChipReport:
    began, folder = time.monotonic(), Path(settings.output)
    if not settings.output:
        raise ConfigError("output is missing; give the output folder")
    for note in labelling.notes:
        log.info("%s", note)
    with _held(folder):
        search = _search(settings, labelling, folder)
        for note in search.notes:
            log.warning("%s", note)
        job, matches = search.job, _match(search, labelling)
        journal = ChipJournal(folder, is_resumed=settings.resume)
        resumed = sum(bool(chip.files) for chip in journal.finished.values())
        with PixelSource(search.access, threads=settings.threads) as pixels:
            failed = _make(job, labelling, matches.plans, journal, pixels, folder)
        journal.close([plan.name for plan in matches.plans])
        skipped = [*labelling.skipped, *matches.skipped, *failed]
        skipped += [row for chip in journal.finished.values() for row in chip.skipped]
        skipped = _in_no_chip(skipped, matches.plans, journal.finished, labelling)
        rows = _rows(matches.plans, journal.finished)
        write_chip_table(folder, rows)
        write_skipped(folder, skipped, labelling.describe())
        report = ChipReport(
            folder=folder,
            chips=len(rows),
            observations=labelling.count,
            skipped=count_reasons(skipped),
            unreadable=sum(row.reason is Reason.NOT_READABLE for row in skipped),
            resumed=resumed,
            searches=search.requests,
            items=len(search.item_list.items),
            duplicates=search.scenes.duplicates,
            reads=pixels.statistics(),
            seconds=time.monotonic() - began,
            notes=(*labelling.notes, *search.notes),
        )
        write_report(report)
    return report


def create_raster_chips(settings: ChipSettings) -> ChipReport:
    """Make chips wherever rasters or polygons have labels; see `create_chips`.

    Args:
        settings: Options; `input` is a raster of labels, a folder of them, or polygons.

    Raises:
        RasterError: A raster has no place on Earth, or is rotated.
    """
    return _create(settings, AreaLabelling.from_settings(settings))


def plan_chips(settings: ChipSettings) -> PlanReport:
    """Return what `create_chips` would make and read; nothing is written, and no pixel is read.

    Raises:
        ConfigError: Options contradict each other or the product.
        TableError: The table has problems.
        DataError: The catalogue cannot be reached, or has no images.
    """
    path = Path(settings.input)
    is_area = settings.records or path.is_dir() or path.suffix.lower() in RASTERS or is_vector(settings.input)
    return _plan(settings, (AreaLabelling if is_area else PointLabelling).from_settings(settings))


def _plan(settings: ChipSettings, labelling: Labelling) -> PlanReport:
    search = search_scenes(settings, labelling, None)
    job, matches = search.job, labelling.match(search.scenes, search.job.matching)
    pixels = PixelSource(search.access, threads=settings.threads)
    batches = _batches(matches.plans, job)
    images = planned_images(batches, job.reading)
    reading = estimate(
        sample_reads(images, MAX_HEADERS, pixels.grid_of),
        search.access,
        threads=settings.threads,
        num_files=sum(len(image.files) for image in images),
        num_windows=sum(len(image.files) * len(image.chips) for image in images),
    )
    chip_bytes = job.chip_values * np.dtype(job.source.dtype).itemsize
    return PlanReport(
        chips=len(matches.plans),
        observations=labelling.count,
        skipped=count_reasons([*labelling.skipped, *matches.skipped]),
        tiles=Counter(plan.tile for plan in matches.plans),
        images=len({items[0] for plan in matches.plans for items in plan.candidates if items}),
        files=len({asset.href for image in images for asset, _ in image.files}),
        reading=reading,
        output_mb=len(matches.plans) * chip_bytes / 1e6,
        notes=(*labelling.notes, *search.notes),
    )


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the output folder, so that a second run in it is refused."""
    try:
        with hold_output(folder):
            yield
    except LockedError as error:
        raise RunFolderError(f"{folder}: {error} is making chips in it; choose another folder") from error


def _search(settings: ChipSettings, labelling: Labelling, folder: Path) -> SceneSearch:
    """Find images and note how chips are made, or find that this is how those of the folder were made."""
    used = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if used and not settings.resume:
        raise RunFolderError(
            f"{folder}: is not empty ({', '.join(used[:3])}); choose another folder, or pass --resume to go on with it"
        )
    search = search_scenes(settings, labelling, folder)
    job = search.job
    record = settings_record(
        settings, job.source, job.catalog, job.bands, classes=labelling.classes, input_sha256=labelling.sha256
    )
    if settings.resume:
        check_settings(folder, record)
        remove_partial_files(folder)
    else:
        write_settings(folder, record)
    if not (settings.resume and (folder / ITEMS).is_file()):  # after the settings, without which nothing is resumed
        write_items(folder / ITEMS, search.item_list, files_from=search.list_folder)
    return search


def _match(search: SceneSearch, labelling: Labelling) -> Matches:
    matches = labelling.match(search.scenes, search.job.matching)
    log.info(
        "%s: %s of %s; %s skipped before reading",
        search.job.source.name, counted(len(matches.plans), "chip"), counted(labelling.count, "observation"),
        len(matches.skipped) + len(labelling.skipped),
    )  # fmt: skip
    return matches


def _make(
    job: ChipJob,
    labelling: Labelling,
    plans: Sequence[ChipPlan],
    journal: ChipJournal,
    pixels: PixelSource,
    folder: Path,
) -> list[Skipped]:
    """Read and write the chips that the journal does not hold, and return the observations that a later run may try."""
    settings = job.settings
    mask = "+".join(job.reading.mask) or "none"
    tags = {"SOURCE": job.source.name, "MASK": mask, "MASK_STRATEGY": settings.mask_strategy}
    writer = ChipWriter(
        folder=folder,
        source=job.source,
        bands=job.bands,
        labels=labelling,
        mask_any=settings.mask_strategy == "any",
        fill_missing=job.matching.fill_missing,
        stated=job.reading.stated,
        tags=tags | {"DILATE_M": f"{settings.dilate_m:g}", "UNIT": job.source.unit},
    )
    reader = BatchReader(job.reading, pixels.read, pixels.grid_of)
    pending = [plan for plan in plans if plan.name not in journal.finished]
    batches = _batches(pending, job)
    failed: list[Skipped] = []
    for number, batch in enumerate(track(batches, "chips", len(batches))):
        try:
            chips = reader.read(batch)
        except HostDownError as error:
            log.error("%s", error)
            for plan in (plan for later in batches[number:] for plan in later):
                failed += [Skipped(row, Reason.NOT_READABLE, str(error)) for row in labelling.numbers(plan)]
            break
        final: list[Finished] = []
        for plan, steps in zip(batch, chips, strict=True):
            finished, is_final = writer.write(plan, steps)
            if is_final:
                final.append(finished)
            else:
                failed += finished.skipped
        journal.add(final)
    return failed


def _batches(plans: Sequence[ChipPlan], job: ChipJob) -> list[Sequence[ChipPlan]]:
    """Return plans in groups of one tile whose pixels fit into memory; chips of the same images come together."""
    most = min(max(job.settings.memory_mb * 1_000_000 // (job.chip_values * BYTES_PER_VALUE), 1), MAX_BATCH_CHIPS)
    batches: list[list[ChipPlan]] = []
    for plan in sorted(
        plans, key=lambda plan: (plan.tile, [[one.id for one in items[:1]] for items in plan.candidates])
    ):
        if not batches or len(batches[-1]) == most or batches[-1][-1].tile != plan.tile:
            batches.append([])
        batches[-1].append(plan)
    return list(batches)


def _in_no_chip(
    skipped: Sequence[Skipped], plans: Sequence[ChipPlan], finished: Mapping[str, Finished], labelling: Labelling
) -> list[Skipped]:
    """Return the first reason of each observation that is in no chip; polygons may lie in several."""
    written = [plan for plan in plans if plan.name in finished and finished[plan.name].files]
    numbers_in_chips = {
        number
        for plan in written
        for number in set(labelling.numbers(plan)) - {row.number for row in finished[plan.name].skipped}
    }
    first: dict[int, Skipped] = {}
    for row in skipped:
        if row.number not in numbers_in_chips:
            first.setdefault(row.number, row)
    return list(first.values())


def _rows(plans: Sequence[ChipPlan], finished: Mapping[str, Finished]) -> list[Mapping[str, object]]:
    """Return the rows of the table in the order of the input."""
    ordered = sorted(plans, key=lambda plan: (min((o.number for o in plan.observations), default=0), plan.name))
    return [finished[plan.name].row for plan in ordered if plan.name in finished and finished[plan.name].row]
