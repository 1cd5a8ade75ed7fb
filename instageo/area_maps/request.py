"""What a user asks for: an area, days, and how images of them are chosen and combined."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from instageo.errors import ConfigError, did_you_mean

COMPOSITES = ("clearest", "newest", "median", "none")
"""How the images of a period are combined, pixel by pixel."""

DEFAULT_MASK = ("cloud", "shadow")
"""Quality flags whose pixels do not count, unless others are named."""

RANGES = {"dilation": (0, 1000), "max_cloud": (0, 100), "resolution": (0.01, 100_000)}
"""Smallest and largest values: pixels, percent and metres."""

MAX_PERIODS = 400
"""Most periods into which days are divided."""

SHIFTS = ("pending", "applied")
"""What a user may state of the offset of Sentinel-2."""

MAX_THREADS = 256
"""Most files that are read at a time."""


@dataclass(frozen=True, order=True)
class Days:
    """Days from which images are taken, both ends included.

    Attributes:
        first: Earliest day, UTC.
        last: Latest day, UTC.
    """

    first: date
    last: date

    def divide(self, every: str) -> "list[Days]":
        """Divide the days into periods, such as `16d`; the last one may be shorter.

        Raises:
            ConfigError: The length is not a number of days, or gives too many periods.
        """
        number = re.fullmatch(r"([0-9]{1,9})d?", every.strip().lower())
        length = (self.last - self.first).days + 1
        count = min(int(number[1]), length) if number else 0
        if not (count and -(-length // count) <= MAX_PERIODS):
            raise ConfigError(
                f"every={every} does not work; expected a number of days such as 16d, for at most {MAX_PERIODS} periods"
            )
        starts = [self.first + timedelta(days=start) for start in range(0, length, count)]
        return [Days(start, min(start + timedelta(days=count - 1), self.last)) for start in starts]

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}/{self.last}"


@dataclass(frozen=True)
class AreaRequest:
    """A place and days to map.

    Attributes:
        area: File of polygons (.geojson, .gpkg, …), box `W,S,E,N` in degrees, or name of a tile such as 36KXD.
        days: Days of the images of each date of the model, in the model's order.
        source: Name of the satellite product, as of `instageo chips --source`; None for that of the training chips.
        catalog: Key or URL of the catalogue, or path of a frozen list; None for the default one of the product.
        collection: Collection to search, in place of the catalogue's own.
        composite: How images are combined, one of `COMPOSITES`.
        mask: Names of quality flags whose pixels do not count; None for those of `DEFAULT_MASK`, if the product has a
            quality layer.
        dilation: Pixels by which masks grow.
        max_cloud: Largest cloud cover of an image, percent.
        resolution: Pixel size, metres; None for that of the training chips, or of the product.
        zones: File of polygons whose areas are measured one by one; None for the area alone.
        sentinel2_shift: Whether the offset of Sentinel-2 is `pending` or `applied`, where items do not say.
    """

    area: str
    days: tuple[Days, ...]
    source: str | None = None
    catalog: str | None = None
    collection: str | None = None
    composite: str = "clearest"
    mask: tuple[str, ...] | None = None
    dilation: float = 0.0
    max_cloud: float = 100.0
    resolution: float | None = None
    zones: str | None = None
    sentinel2_shift: str | None = None

    def __post_init__(self) -> None:
        if self.composite not in COMPOSITES:
            raise ConfigError(
                f"composite={self.composite} is unknown; choose one of {', '.join(COMPOSITES)}"
                f"{did_you_mean(self.composite, COMPOSITES)}"
            )
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise ConfigError(f"{name}={value} does not work; expected {low} to {high}")
        if 0 < self.dilation < 1:
            raise ConfigError(f"dilation={self.dilation} reaches no further pixel; expected 0, or 1 to 1000")
        if self.dilation and self.mask == ():
            raise ConfigError(f"dilation={self.dilation:g}: nothing is masked; leave it out, or name flags with --mask")
        if self.sentinel2_shift not in (None, *SHIFTS):
            raise ConfigError(
                f"sentinel2_shift={self.sentinel2_shift} is unknown; choose {' or '.join(SHIFTS)}, or leave it out"
            )


def parse_days(text: str) -> Days:
    """Return the days of `2026-11-20`, or of a period `2026-11-20/2026-11-26`.

    Raises:
        ConfigError: The text is not a date or period, or the period ends before it begins.
    """
    first, slash, last = text.strip().partition("/")
    try:
        days = Days(date.fromisoformat(first.strip()), date.fromisoformat((last if slash else first).strip()))
    except ValueError as error:
        raise ConfigError(
            f"date={text} does not work; expected a day such as 2026-11-20, or a period such as 2026-11-20/2026-11-26"
        ) from error
    if days.last < days.first:
        raise ConfigError(f"date={text} does not work; its last day comes before its first")
    return days


def divide_periods(
    dates: Sequence[str], before: Sequence[str] | None, after: Sequence[str] | None, every: str | None
) -> dict[str, tuple[Days, ...]]:
    """Return the days of each map, by the name of its period: `before` and `after`, first and last day, or empty.

    Args:
        dates: Day or period of each date of the model, for a single map.
        before: The same for the earlier map of a comparison.
        after: The same for the later one.
        every: Length of the periods into which a single date is divided, such as `16d`.

    Raises:
        ConfigError: They contradict each other, or one is not a day or period.
    """
    if (before is None) != (after is None):
        raise ConfigError("before and after belong together; give both, or date alone")
    if before is not None and after is not None:
        if dates or every is not None:
            raise ConfigError("before and after: leave out date and every; each of them gives days of its own")
        earlier, later = tuple(map(parse_days, before)), tuple(map(parse_days, after))
        if late := next(((one, two) for one, two in zip(earlier, later, strict=False) if one.first >= two.first), None):
            raise ConfigError("before={} does not begin earlier than after={}; exchange or correct them".format(*late))
        return {"before": earlier, "after": later}
    if not dates:
        raise ConfigError("date is missing; give a day such as 2026-11-20, or a period such as 2026-11-20/2026-11-26")
    days = tuple(map(parse_days, dates))
    if every is None:
        return {"": days}
    if len(days) != 1:
        raise ConfigError("every: divides one date into periods; give a single one, such as 2026-01-01/2026-06-30")
    return {str(each).replace("/", "_"): (each,) for each in days[0].divide(every)}


@dataclass(frozen=True)
class AreaOutput:
    """Where and how maps of an area are written.

    Attributes:
        folder: Folder of all files.
        probabilities: Whether the probability of each class is written, too.
        memory_mb: Memory beyond that of the network and the program, MB.
        threads: Files that are read at a time.
        cache_mb: Size of the cache of blocks on disk, MB.
        overwrite: Whether maps that are there already are made again.
        model_name: Name of the model in reports, in place of its path; for servers, whose paths concern nobody.
    """

    folder: Path
    probabilities: bool = False
    memory_mb: int = 1000
    threads: int = 8
    cache_mb: int = 20_000
    overwrite: bool = False
    model_name: str | None = None

    def __post_init__(self) -> None:
        for name, low, high in (("threads", 1, MAX_THREADS), ("cache_mb", 0, None), ("memory_mb", 1, None)):
            value = getattr(self, name)
            if value < low or (high is not None and value > high):
                span = f"at least {low}" if high is None else f"{low} to {high}"
                raise ConfigError(f"{name}={value} does not work; expected {span}")
