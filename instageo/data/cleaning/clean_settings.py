"""Settings of the command that checks tables of chips; their fields are the options of this command."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from instageo.arguments import expect
from instageo.data.command_line.option import check_choices, option
from instageo.errors import ConfigError

VERDICTS = ("warn", "drop", "off")
"""What may be done about the findings of a check."""

UNITS = ("auto", "reflectance", "radar", "other")
"""What pixels may hold; reflectance is multiplied by 10000."""

QUALITY_KINDS = ("fmask", "scl", "qa_pixel", "mask")
"""Quality layers: of HLS, Sentinel-2 and Landsat; and masks, in which pixels other than 0 are covered."""


@dataclass(frozen=True)
class CleanSettings:
    """Which table to check, how its chips are read, and from where on something is a finding.

    Attributes are described by their `help`.
    """

    input: str = option("", "Table of chips (path or URL).", metavar="TABLE", is_argument=True)
    output: str | None = option(
        None, "Folder of all that is written; by default the report is written to the folder TABLE_clean next to the "
        "table, and new tables to the folder of the table.", metavar="DIR",
    )  # fmt: skip
    drop: bool = option(False, "Write TABLE_clean.csv, without the chips that a check drops.")
    apply_mask: bool = option(
        False, "Write new chips in which the pixels that --quality marks are no-data, and check these."
    )
    verdicts: Mapping[str, str] = option(
        {}, "What a check does: warn, drop or off, as in cloud=drop,stripes=off.", metavar="CHECK=VERDICT"
    )
    steps: int | None = option(None, "Dates of a chip; by default those of settings.json, of the column dates, or 1.")
    bands: tuple[str, ...] = option((), "Bands of a date; by default those of settings.json or of the files.")
    layers: tuple[int, ...] = option((), "Layers to read, counted from 0, one date after another; by default all.")
    no_data: float | None = option(None, "Value without an observation, in addition to tags and masks of the files.")
    unit: str = option("auto", "Unit of the pixels; auto: radar if the bands are VV or VH.", choices=UNITS)
    labels: str = option(
        "auto", "Whether the column Label holds files or the labels themselves.", choices=("auto", "file", "value")
    )
    ignore: tuple[float, ...] = option((), "Values of labels that mean no label; by default -1, for values -9999.")
    classes: int | None = option(None, "Number of classes K; labels must be 0 to K-1.")
    quality: str | None = option(
        None, "Column of the table with quality files (one, or one for each date with ; between them), or layer of the "
        "chips, counted from 0.", metavar="COLUMN|LAYER",
    )  # fmt: skip
    quality_kind: str = option("fmask", "Kind of the quality layers.", choices=QUALITY_KINDS)
    mask: tuple[str, ...] = option(
        ("cloud", "adjacent", "shadow", "cirrus"), "Flags of the quality layers that count as covered."
    )
    max_no_data: float = option(0.5, "nodata: largest share without an observation, 0 to 1.")
    min_clear: float = option(0.5, "cloud: smallest share of clear pixels, 0 to 1.")
    value_range: tuple[float, ...] = option((-2000.0, 16000.0), "range: reflectance x 10000 that is plausible.")
    max_outside: float = option(0.01, "range: largest share of implausible values, 0 to 1.")
    max_saturated: float = option(0.01, "saturated: largest share of saturated pixels, 0 to 1.")
    hash_distance: int = option(2, "near_duplicate: bits of 64 by which two images may differ.")
    min_correlation: float = option(0.99, "near_duplicate: smallest correlation of two images, 0 to 1.")
    min_overlap: float = option(0.25, "overlap: share of the smaller chip from which on chips form a group, 0 to 1.")
    overlap_dates: str = option("equal", "overlap: chips of equal dates, or of any.", choices=("equal", "any"))
    max_shift: float = option(1.0, "registration: largest shift between dates, or of a label, pixels.")
    min_class_chips: int = option(10, "classes: a class in fewer chips is rare.")
    max_deviations: float = option(6.0, "outlier: robust deviations from the median of the table.")
    threads: int = option(4, "Number of files read at a time.")

    def __post_init__(self) -> None:
        expect(bool(self.input), "input", self.input, "the path or URL of a table")
        check_choices(self)
        for name, verdict in self.verdicts.items():
            if verdict not in VERDICTS:
                raise ConfigError(f"verdicts: {name}={verdict} does not work; expected {', '.join(VERDICTS)}")
        for name in ("max_no_data", "min_clear", "max_outside", "max_saturated", "min_correlation", "min_overlap"):
            expect(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a share from 0 to 1")
        low_high = self.value_range
        increasing = len(low_high) == 2 and all(map(math.isfinite, low_high)) and low_high[0] < low_high[1]
        expect(increasing, "value_range", low_high, "two increasing numbers, such as -2000,16000")
        expect(0 <= self.hash_distance <= 2, "hash_distance", self.hash_distance, "0 to 2")
        expect(self.max_shift > 0, "max_shift", self.max_shift, "more than 0 pixels")
        expect(self.max_deviations > 0, "max_deviations", self.max_deviations, "more than 0")
        expect(self.min_class_chips >= 1, "min_class_chips", self.min_class_chips, "1 or more")
        expect(self.threads >= 1, "threads", self.threads, "1 or more")
        expect(self.steps is None or self.steps >= 1, "steps", self.steps, "1 or more")
        expect(self.classes is None or self.classes >= 2, "classes", self.classes, "2 or more")
        expect(all(layer >= 0 for layer in self.layers), "layers", self.layers, "positions counted from 0")
        if self.apply_mask and self.quality is None:
            raise ConfigError(
                "apply_mask needs a mask; name the column with quality files, or the layer of the chips, by quality"
            )
