"""Read the pixels of chips at all their dates: the best image first, the next one where it cannot serve.

Files are opened once for all chips of a batch. Quality layers are read before bands, so that bands of images that are
too cloudy in a chip, or have no data there, are not read at all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from instageo.data.items.item import Asset, Item
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.output.skipped import Reason
from instageo.data.reading.asset_windows import AssetWindow
from instageo.data.reading.file_reads import GridOf, group_by_file
from instageo.data.reading.requests import AssetRead, ReadFailure
from instageo.data.reading.step_pixels import Quality, StepPixels, combine_bands, read_quality
from instageo.data.sources.source import Product, RefusedItemError, Source
from instageo.raster.chip_windows.window_reading import FileWindows
from instageo.raster.grid import Grid

Fetch = Callable[[Sequence[AssetRead]], Iterable[tuple[int, FileWindows | ReadFailure]]]
"""Reads windows of files, and yields the result of each with its position."""

Pixels = tuple[NDArray[np.generic], NDArray[np.bool_]]
"""Stored values and validity of a window, each of shape (H, W)."""


@dataclass(frozen=True)
class ReadRules:
    """What to read, and when an image can serve; see the options of the same names.

    Attributes:
        source: The product.
        products: Its collections.
        bands: Names of the bands.
        mask: Flags of the quality layer to mask.
        dilate_m: Distance by which masks grow, metres.
        clearest: Whether the clearest image is preferred to the nearest.
        min_clear: Smallest share of clear pixels, 0 to 1.
        min_valid: Smallest share of pixels with data, 0 to 1.
        stated: What the user says of the offset of Sentinel-2.
    """

    source: Source
    products: tuple[Product, ...]
    bands: tuple[str, ...]
    mask: tuple[str, ...] = ()
    dilate_m: float = 0.0
    clearest: bool = False
    min_clear: float = 0.0
    min_valid: float = 0.0
    stated: str | None = None

    def product(self, item: Item) -> Product:
        """Return the collection that an item is of."""
        return next((own for own in self.products if own.collection == item.collection), self.products[0])

    def band_assets(self, item: Item) -> list[Asset]:
        """Return the file of each band of an item."""
        product = self.product(item)
        return [item.assets[product.assets[band]] for band in self.bands]

    def quality_assets(self, item: Item) -> list[Asset]:
        """Return the quality layer of an item; none if its product has none."""
        name = self.product(item).quality
        return [item.assets[name]] if name else []

    @property
    def margin_m(self) -> float:
        """Distance beyond a chip up to which clouds grow into it, metres."""
        return self.dilate_m if self.mask else 0.0


@dataclass
class ChipStep:
    """A chip at one date, while it is read.

    Attributes:
        plan: The chip.
        queue: Images that have not been tried, best first.
        item: Image that is being tried, or was used; None if no image can serve.
        quality: What its quality layer says.
        pixels: Its pixels.
        problems: Why other images could not serve.
    """

    plan: ChipPlan
    queue: list[Item]
    item: Item | None = None
    quality: Quality | None = None
    pixels: StepPixels | None = None
    problems: list[tuple[Reason, str]] = field(default_factory=list)

    def advance(self) -> None:
        """Go on with the next image."""
        self.item, self.quality = (self.queue.pop(0) if self.queue else None), None

    def fail(self, reason: Reason, detail: str) -> None:
        """Note why the image cannot serve, and go on with the next one."""
        self.problems.append((reason, detail))
        self.advance()

    @property
    def was_unreadable(self) -> bool:
        """Whether a file could not be read, so that a later run may succeed."""
        return any(reason is Reason.NOT_READABLE for reason, _ in self.problems)


class BatchReader:
    """Reads the chips of a batch.

    Args:
        rules: What to read.
        fetch: Reads windows of files.
        grid_of: Returns the grid of a file.
    """

    def __init__(self, rules: ReadRules, fetch: Fetch, grid_of: GridOf) -> None:
        self._rules, self._fetch, self._grid_of = rules, fetch, grid_of

    def read(self, plans: Sequence[ChipPlan]) -> list[list[ChipStep]]:
        """Return the dates of each chip with their pixels, or the problems why there are none."""
        chips = [[ChipStep(plan, list(items)) for items in plan.candidates] for plan in plans]
        steps = [step for chip in chips for step in chip if step.queue]
        if self._rules.clearest:
            self._order_by_clearness(steps)
        for step in steps:
            step.advance()
        while pending := [step for step in steps if step.item is not None and step.pixels is None]:
            self._read_quality([step for step in pending if step.quality is None])
            self._read_bands([step for step in pending if step.item is not None and self._is_checked(step)])
        return chips

    def _is_checked(self, step: ChipStep) -> bool:
        return step.quality is not None or not self._has_quality(step.item)

    def _has_quality(self, item: Item | None) -> bool:
        return item is not None and bool(self._rules.product(item).quality)

    def _order_by_clearness(self, steps: Sequence[ChipStep]) -> None:
        """Sort the images of each date by their share of clear pixels in the chip, then as before."""
        every = [(step, item) for step in steps for item in step.queue if self._has_quality(item)]
        qualities = self._quality_of([(step.plan, item) for step, item in every])
        clear: dict[tuple[int, Item], float] = {}
        for (step, item), result in zip(every, qualities, strict=True):
            clear[id(step), item] = result.clear if isinstance(result, Quality) else -1.0
        for step in steps:
            step.queue = sorted(step.queue, key=lambda item: -clear.get((id(step), item), -1.0))

    def _read_quality(self, steps: Sequence[ChipStep]) -> None:
        """Read quality layers, and go on with the next image where one does not have enough clear or valid pixels."""
        steps = [step for step in steps if self._has_quality(step.item)]
        qualities = self._quality_of([(step.plan, step.item) for step in steps if step.item is not None])
        for step, result in zip(steps, qualities, strict=True):
            name = step.item.id if step.item else ""
            if not isinstance(result, Quality):
                step.fail(*result)
            elif not result.valid or result.valid < self._rules.min_valid:
                step.fail(Reason.OUTSIDE_SWATH, f"{name}: {result.valid:.0%} of the chip has data")
            elif result.clear < self._rules.min_clear:
                step.fail(Reason.TOO_CLOUDY, f"{name}: {result.clear:.0%} of the chip is clear")
            else:
                step.quality = result

    def _quality_of(self, pairs: Sequence[tuple[ChipPlan, Item]]) -> list[Quality | tuple[Reason, str]]:
        """Return what the quality layers of images say of chips, or why they cannot be read."""
        rules = self._rules
        assets = [(plan.grid, asset) for plan, item in pairs for asset in rules.quality_assets(item)]
        results: list[Quality | tuple[Reason, str]] = []
        for window, pixels in self._windows(assets, rules.margin_m):
            if window is None or not isinstance(pixels[0], np.ndarray):
                results.append(pixels)  # type: ignore[arg-type]
            else:
                results.append(read_quality(pixels[0], window, rules.source.flags, rules.mask, rules.dilate_m))
        return results

    def _read_bands(self, steps: Sequence[ChipStep]) -> None:
        """Read all bands of the images, and go on with the next image where one cannot be read."""
        rules, assets = self._rules, list[tuple[Grid, Asset]]()
        for step in steps:
            if step.item is not None:
                assets += [(step.plan.grid, asset) for asset in rules.band_assets(step.item)]
        windows = self._windows(assets)
        for number, step in enumerate(steps):
            own = windows[number * len(rules.bands) : (number + 1) * len(rules.bands)]
            self._combine(step, dict(zip(rules.bands, own, strict=True)))

    def _combine(
        self, step: ChipStep, windows: Mapping[str, tuple[AssetWindow | None, Pixels | tuple[Reason, str]]]
    ) -> None:
        bands: dict[str, Pixels] = {}
        for name, (window, result) in windows.items():
            if window is None or not isinstance(result[0], np.ndarray):
                step.fail(*result)
                return
            values, valid = result
            bands[name] = window.on_chip(values), window.on_chip(valid).astype(bool)
        item = step.item
        if item is None:
            return
        try:
            pixels = combine_bands(bands, item, self._rules.source, self._rules.stated, step.quality)
        except RefusedItemError as error:
            step.fail(Reason.SHIFT_UNKNOWN, str(error))
            return
        share = float(pixels.valid.mean())
        if not share or share < self._rules.min_valid:
            step.fail(Reason.OUTSIDE_SWATH, f"{item.id}: {share:.0%} of the chip has data")
        else:
            step.pixels = pixels

    def _windows(
        self, assets: Sequence[tuple[Grid, Asset]], margin_m: float = 0.0
    ) -> list[tuple[AssetWindow | None, Pixels | tuple[Reason, str]]]:
        """Return the window of each chip in a file, with its pixels or why they cannot be read; files are read once."""
        files = group_by_file(assets, self._grid_of, margin_m)
        results: list[tuple[AssetWindow | None, Pixels | tuple[Reason, str]]] = [
            (None, (Reason.GRID_DIFFERS, files.unfit.get(position, ""))) for position in range(len(assets))
        ]
        for index, outcome in self._fetch(files.reads):
            for order, (position, window) in enumerate(files.members[index]):
                if isinstance(outcome, ReadFailure):
                    results[position] = None, (outcome.reason, outcome.message)
                else:
                    results[position] = window, self._pixels(outcome, order)
        return results

    def _pixels(self, file: FileWindows, order: int) -> Pixels:
        """Return stored values and validity; the product's no-data value counts where the file has no tag."""
        values, valid = file.values[order], file.valid[order]
        if file.no_data_value is None and values.dtype.kind in "iuf":
            valid = valid & (values != values.dtype.type(self._rules.source.no_data))
        return values, valid
