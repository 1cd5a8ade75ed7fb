"""What is known of a chip after one pass over its pixels; no pixels are kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_facts.rows import ChipRow
from instageo.raster.grid import Grid

THUMBNAIL = 32
"""Side of the thumbnails that near-duplicates are compared by, pixels."""

SAMPLES = 12
"""Rows and columns of the regular grid of pixels that histograms are made of."""


Class = float | str
"""Number of a class, or its name."""


@dataclass(frozen=True)
class Anchors:
    """Small windows of a chip that other chips of the same ground have as well, whatever their position.

    Attributes:
        hashes: Hash of the stored values of each window, uint64, ascending, none twice.
        rows: First row of each window.
        columns: First column of each window.
    """

    hashes: NDArray[np.uint64]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]


@dataclass(frozen=True)
class Shift:
    """How far an image lies from another one.

    Attributes:
        rows: Pixels downward.
        columns: Pixels to the right.
        of: What was compared, for messages.
    """

    rows: float
    columns: float
    of: str

    @property
    def pixels(self) -> float:
        """Length of the shift, pixels."""
        return float(np.hypot(self.rows, self.columns))


@dataclass(frozen=True)
class ImageFacts:
    """What is known of the image of a chip, with T dates of B bands.

    Attributes:
        grid: Position of its pixels.
        dtype: Type of the stored values.
        bands: Names of the B bands; empty texts where they are unknown.
        invalid: Share of pixels without an observation at each date; a pixel is observed where all its bands are.
        never: Share of pixels without an observation at any date.
        means: Mean of the valid values, shape (T, B), NaN without any; so are `lows` and `highs`.
        lows: Smallest valid value.
        highs: Largest valid value.
        outside: Largest share, over dates and bands, of valid values outside the plausible range.
        dark_blue: Smallest share of BLUE up to 900 over the dates; None without that band.
        saturated: Largest share of saturated pixels over the dates.
        stripes: What looks like stripes; empty if nothing does.
        covered: Share of pixels that the quality layers mark at each date; empty without them.
        pixel_hash: Hash of the valid pixels and their shape; None if no pixel is valid.
        image_hash: 64-bit difference hash of the mean over dates and bands; None for a flat image.
        thumbnail: Mean over dates and bands, shape (32, 32).
        samples: Values of a regular grid of pixels, shape (B, any), NaN where invalid.
        anchors: Windows that show shared ground; None for chips with coordinates.
        shifts: Shift of each date from the one before.
        ignored_layers: Names of layers that are not bands of a sensor, and were not read.
    """

    grid: Grid
    dtype: str
    bands: tuple[str, ...]
    invalid: tuple[float, ...]
    never: float
    means: NDArray[np.float64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    outside: float
    dark_blue: float | None
    saturated: float
    stripes: str
    covered: tuple[float, ...]
    pixel_hash: bytes | None
    image_hash: int | None
    thumbnail: NDArray[np.float16]
    samples: NDArray[np.float32]
    anchors: Anchors | None = None
    shifts: tuple[Shift, ...] = ()
    ignored_layers: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """Number of dates T."""
        return len(self.invalid)


@dataclass(frozen=True)
class ImageView:
    """What a label is compared with; kept no longer than that.

    Attributes:
        observed: Where the chip has an observation at some date, (H, W).
        mean_image: Mean over dates and bands, (H, W), without gaps.
    """

    observed: NDArray[np.bool_]
    mean_image: NDArray[np.float32]


@dataclass(frozen=True)
class LabelFacts:
    """What is known of the label of a chip.

    Attributes:
        labelled: Number of pixels with a label and an observation at some date.
        counts: Pixels of each class, or, of labels of whole chips, 1 for each of their classes; None for values.
        content: The label or its hash, to compare labels; empty if no pixel has one.
        mismatch: How its grid differs from that of the chip; empty if it does not.
        shift: How far its edges lie from those of the image; None if that cannot be measured.
    """

    labelled: int
    counts: dict[Class, int] | None
    content: bytes
    mismatch: str = ""
    shift: Shift | None = None


@dataclass(frozen=True)
class ChipFacts:
    """What is known of one row of a table.

    Attributes:
        row: The row.
        image: Facts of the image; None if it cannot be read.
        label: Facts of the label; None without one.
        problems: Why files cannot be read or are not laid out as expected.
    """

    row: ChipRow
    image: ImageFacts | None
    label: LabelFacts | None
    problems: tuple[str, ...] = ()
