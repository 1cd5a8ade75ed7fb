"""From the pixels and labels of a chip to its files and its row of the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from instageo.data.items.item import MOST_ID, Item, printable
from instageo.data.labelling.labelling import ChipLabel, Labelling
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.output.chip_files import ChipImage, join_dates, write_chip
from instageo.data.output.journal import Finished
from instageo.data.output.skipped import Reason, Skipped
from instageo.data.reading.chip_reader import ChipStep
from instageo.data.sources.source import CHIP_NO_DATA, Source
from instageo.raster.writing import write_raster
from instageo.table import DATES, INPUT, LABEL, LATITUDE, LONGITUDE

SHARE_DIGITS = 4


@dataclass(frozen=True)
class ChipWriter:
    """Writes chips and their labels.

    Attributes:
        folder: Output folder.
        source: The product.
        bands: Names of the bands of a date.
        labels: Makes the labels.
        mask_any: Whether a pixel that is covered at one date is masked at all dates.
        fill_missing: Whether a date without an image is filled with no-data.
        stated: Offset that the user states for images without this information.
        tags: Tags of all chips.
    """

    folder: Path
    source: Source
    bands: tuple[str, ...]
    labels: Labelling
    mask_any: bool
    fill_missing: bool
    stated: str | None
    tags: dict[str, str]

    def write(self, plan: ChipPlan, steps: Sequence[ChipStep]) -> tuple[Finished, bool]:
        """Write a chip and its label.

        Returns:
            What the journal notes, and whether it is final; a chip whose files could not be read may be tried again.
        """
        missing = [number for number, step in enumerate(steps) if step.pixels is None]
        if missing and not (self.fill_missing and len(missing) < len(steps)):
            step = steps[missing[0]]
            reason, detail = step.problems[-1] if step.problems else (Reason.NO_ITEM, "no image left")
            if len(steps) > 1:
                detail = f"date {missing[0] + 1} of {len(steps)}: {detail}"
            unreadable = any(steps[number].was_unreadable for number in missing)
            return self._nothing(plan, Reason.NOT_READABLE if unreadable else reason, detail), not unreadable
        pixels = [step.pixels for step in steps]
        image = join_dates(pixels, len(self.bands), plan.grid.shape, mask_any=self.mask_any, dtype=self.source.dtype)
        observed = np.any(image.values != image.values.dtype.type(CHIP_NO_DATA), axis=0)
        if not observed.any():
            return self._nothing(plan, Reason.NOTHING_LEFT, "all pixels of the chip are masked"), True
        label = self.labels.label(plan, observed)
        numbers = set(self.labels.numbers(plan)) - {row.number for row in label.skipped}
        if not numbers:
            return Finished(plan.name, {}, {}, label.skipped), True
        items = [step.item if step.pixels is not None else None for step in steps]
        return self._write_files(plan, image, label, items), True

    def _nothing(self, plan: ChipPlan, reason: Reason, detail: str) -> Finished:
        return Finished(
            plan.name, {}, {}, tuple(Skipped(number, reason, detail) for number in self.labels.numbers(plan))
        )

    def _write_files(
        self, plan: ChipPlan, image: ChipImage, label: ChipLabel, items: Sequence[Item | None]
    ) -> Finished:
        paths = [f"chips/chip_{plan.name}.tif"]
        tags = dict(self.tags)
        if self.source.offset is not None:
            offsets = ["" if item is None else f"{self.source.offset(item, self.stated):g}" for item in items]
            tags["OFFSETS"] = ";".join(offsets)
        write_chip(self.folder / paths[0], image, plan.grid, self.bands, items, tags)
        if label.values is not None:
            paths.append(f"labels/label_{plan.name}.tif")
            no_data = -1 if label.values.dtype.kind == "i" else CHIP_NO_DATA
            write_raster(self.folder / paths[1], label.values[np.newaxis], plan.grid, no_data_value=no_data)
        row = self._row(plan, image, label, items, paths)
        sizes = {path: (self.folder / path).stat().st_size for path in paths}
        return Finished(plan.name, sizes, row, label.skipped)

    def _row(
        self, plan: ChipPlan, image: ChipImage, label: ChipLabel, items: Sequence[Item | None], paths: Sequence[str]
    ) -> dict[str, Any]:
        latitude, longitude = plan.grid.center_lat_lon() or ("", "")
        row: dict[str, Any] = {
            INPUT: paths[0],
            LABEL: label.text if label.values is None else paths[1],
            DATES: "" if None in items else ";".join(item.time.date().isoformat() for item in items if item),
            LATITUDE: round(latitude, 6) if isinstance(latitude, float) else "",
            LONGITUDE: round(longitude, 6) if isinstance(longitude, float) else "",
            "tile": plan.tile,
            "source": self.source.name,
            "items": ";".join("" if item is None else item.id for item in items),
            "row": plan.row,
            "column": plan.column,
            "points": label.points,
        }
        if self.source.radar_unit is not None:
            for column, name in (("orbit_state", "sat:orbit_state"), ("relative_orbit", "sat:relative_orbit")):
                row[column] = ";".join(
                    "" if item is None else printable(item.properties.get(name), MOST_ID) for item in items
                )
        for number, share in enumerate(image.valid, start=1):
            row[f"valid_{number}"] = round(share, SHARE_DIGITS)
        for number, clear in enumerate(image.clear, start=1):
            row[f"clear_{number}"] = "" if clear is None else round(clear, SHARE_DIGITS)
        row |= {name: value for name, value in label.columns.items() if name not in row}
        return row | {f"count_{value}": count for value, count in sorted((label.counts or {}).items())}
