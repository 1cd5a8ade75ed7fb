"""Settings of the commands that make chips; their fields are the options of these commands."""

from collections.abc import Mapping
from dataclasses import dataclass

from instageo.arguments import expect
from instageo.data.command_line.option import check_choices, option
from instageo.errors import ConfigError

FORMER_SOURCES = {"HLS": "hls", "S2": "sentinel2", "S1": "sentinel1"}
"""Products by the names that the module commands also accept."""


@dataclass(frozen=True)
class ChipSettings:
    """What chips to make.

    Attributes are described by their `help`; `input` is a table of points, or a raster, polygons or a folder of labels.
    """

    input: str = option(
        "", "Table (.csv, .json or .parquet) with lat, lon (or x, y), date and label.", former="dataframe_path",
        metavar="POINTS", is_argument=True,
    )  # fmt: skip
    output: str = option("", "Output folder.", former="output_directory", metavar="DIR")
    source: str = option(
        "hls",
        "Satellite product: hls, hls_s30, hls_l30, sentinel2, landsat, sentinel1; stac for any other collection, with "
        "--collection and --assets.",
        former="data_source",
    )
    catalog: str | None = option(
        None, "planetary, earthsearch, lpdaac, cdse, the URL of a STAC API, items.json or items.parquet."
    )
    collection: str | None = option(None, "Collection to search, in place of the catalogue's own.", metavar="NAME")
    assets: Mapping[str, str] = option(
        {}, "Asset of each band, where they differ: BLUE=blue,GREEN=green,quality=qa.", metavar="BAND=ASSET"
    )
    bands: tuple[str, ...] = option((), "Bands of a chip; by default those of the Prithvi models, or VV,VH.")
    size: int = option(224, "Side of a chip, pixels.", former="chip_size")
    place: str = option(
        "grid", "grid: cells of the satellite's tile, which hold all their points; centre: a chip around each point.",
        choices=("grid", "centre"),
    )  # fmt: skip
    per_point: bool = option(False, "Make one chip for each point, even if several lie in one chip.")
    crs: str = option("EPSG:4326", "Coordinate reference system of the columns x and y.", former="src_crs")
    date_format: str | None = option(
        None, "Format of dates that are not ISO, such as %d/%m/%Y; spreadsheet: day numbers."
    )
    decimal: str = option("auto", "Decimal separator of the table; auto: detected.", choices=("auto", ".", ","))
    steps: int = option(1, "Number of dates of a chip.", former="num_steps")
    step_days: int = option(30, "Days between two dates of a chip.", former="temporal_step")
    tolerance_days: int = option(5, "Days by which an image may be away from its date.", former="temporal_tolerance")
    when: str = option(
        "before", "Dates before, around or after the date of the observation.", choices=("before", "around", "after")
    )
    month_start: bool = option(False, "Count from the first day of the month.", former="shift_to_month_start")
    order: str = option("oldest", "First date of a chip.", choices=("oldest", "newest"))
    allow_repeats: bool = option(False, "Let one image serve several dates of a chip.")
    missing_steps: str = option(
        "skip", "A date without an image: skip the chip, or fill it with no-data.", choices=("skip", "fill")
    )
    max_cloud: float = option(10.0, "Largest cloud cover of an image, percent.", former="cloud_coverage")
    pick: str = option(
        "nearest", "Image of a date: the nearest in time, or the clearest in the chip.", choices=("nearest", "clearest")
    )
    min_clear: float = option(0.0, "Smallest share of a chip that is clear at each date, 0 to 1.")
    min_valid: float = option(0.0, "Smallest share of a chip that has data at each date, 0 to 1.")
    mask: tuple[str, ...] = option((), "What to mask: cloud, adjacent, shadow, cirrus, snow, water, saturated.",
                                   former="mask_types")  # fmt: skip
    mask_strategy: str = option(
        "each", "each: mask a pixel at the dates where it is covered; any: at all dates.", choices=("each", "any"),
        former="masking_strategy",
    )  # fmt: skip
    dilate_m: float = option(0.0, "Grow masks by this distance, metres.")
    window: int = option(0, "Label the (2k+1) x (2k+1) pixels around a point.", former="window_size")
    on_conflict: str = option(
        "ignore", "Points with different labels in one pixel.", choices=("ignore", "first", "mean", "error")
    )
    label: str = option(
        "raster", "raster: a label map with a value at each point; value: the label itself in the table.",
        choices=("raster", "value"),
    )  # fmt: skip
    label_type: str = option(
        "auto", "Labels are classes or values; auto: classes if all are whole numbers.",
        choices=("auto", "class", "value"),
    )  # fmt: skip
    class_map: str | None = option(
        None, "Classes of other codes or names: 1:0,5:1, or a CSV file with the columns code and class."
    )
    min_count: int = option(1, "Smallest number of observations in a tile.")
    daytime_only: bool = option(False, "Use only images with the sun above the horizon.")
    sentinel2_shift: str | None = option(
        None, "Whether the offset of baseline 04.00 is still pending or already applied, where an item does not say.",
        choices=("pending", "applied"),
    )  # fmt: skip
    resample: str = option("mode", "How class rasters are resampled.", choices=("mode", "nearest", "mean"))
    class_field: str | None = option(None, "Attribute of polygons, or column of records, with the label.")
    label_no_data: float | None = option(None, "Value of label rasters without a label, in addition to their own tags.")
    min_share: float = option(0.5, "Smallest share of a pixel that a label raster covers, where it is finer, 0 to 1.")
    min_labelled: float = option(0.0, "Smallest share of a chip that has labels, 0 to 1; always at least one pixel.")
    sample: int | None = option(None, "Number of chips to choose at random; by default all.")
    balance: bool = option(False, "Choose chips so that rare classes are as frequent as possible.")
    seed: int = option(0, "Seed of the choice.")
    date: str | None = option(None, "Date of the labels, where no column or tag gives it.")
    records: str | None = option(
        None, "Table of labels with geometry (WKT or GeoJSON), date and label.", former="records_file"
    )
    threads: int = option(8, "Number of files read at a time.")
    memory_mb: int = option(1024, "Memory for pixels, MB.")
    resume: bool = option(False, "Go on with a folder that was not finished.")

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", FORMER_SOURCES.get(self.source, self.source))
        check_choices(self)
        expect(1 <= self.size <= 4096, "size", self.size, "1 to 4096 pixels")
        expect(1 <= self.steps <= 64, "steps", self.steps, "1 to 64")
        for name in ("step_days", "min_count", "threads"):
            expect(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        expect(self.memory_mb >= 64, "memory_mb", self.memory_mb, "64 or more")
        for name in ("tolerance_days", "window", "dilate_m"):
            expect(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        expect(0 <= self.max_cloud <= 100, "max_cloud", self.max_cloud, "0 to 100 percent")
        for name in ("min_clear", "min_valid", "min_share", "min_labelled"):
            expect(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a share from 0 to 1")
        if self.sample is not None:
            expect(self.sample >= 1, "sample", self.sample, "1 or more")
        if self.steps > 1 and self.step_days <= 2 * self.tolerance_days and not self.allow_repeats:
            raise ConfigError(
                f"step_days={self.step_days} with tolerance_days={self.tolerance_days}: the periods of two dates "
                "overlap, so one image could serve both; use more than twice the tolerance, or allow_repeats"
            )
