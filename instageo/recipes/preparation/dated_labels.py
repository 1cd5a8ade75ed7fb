"""Give label rasters the day of their event, which `instageo chips raster` reads from a file name."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from instageo.recipes.definition.recipe import RecipeError


@dataclass(frozen=True)
class DatedLabels:
    """Labels of several events.

    Attributes:
        labels: Folder of the label rasters, `EVENT_….tif`.
        to: Folder that gets them as `EVENT_…_YYYYMMDD.tif`.
        days: ISO day of each event.
    """

    labels: str
    to: str
    days: Mapping[str, str]

    @staticmethod
    def check_day(day: object, where: str) -> None:
        """Raise an error unless a value is an ISO day."""
        try:
            date.fromisoformat(str(day))
        except ValueError as error:
            raise RecipeError(f"{where} is '{day}'; expected a day such as 2018-09-18") from error


def link_dated_labels(labels: DatedLabels, folder: Path) -> int:
    """Link the labels of every event under their new names, and return their number.

    Raises:
        RecipeError: An event has no label, so that its name must have changed.
    """
    source, target = folder / labels.labels, folder / labels.to
    target.mkdir(parents=True, exist_ok=True)
    count = 0
    for event, day in labels.days.items():
        files = sorted(source.glob(f"{event}_*.tif"))
        if not files:
            raise RecipeError(f"{source}: has no {event}_….tif; expected the labels of the event of {day}")
        for file in files:
            link = target / f"{file.stem}_{day.replace('-', '')}.tif"
            link.unlink(missing_ok=True)
            try:
                os.link(file, link)
            except OSError:  # another disk, or one without links
                shutil.copyfile(file, link)
        count += len(files)
    return count
