"""Settings of a run, resolved: the product, its collections, the bands, and the rules of each step."""

from dataclasses import dataclass

from instageo.data.chip_settings import ChipSettings
from instageo.data.matching.candidates import MatchRules
from instageo.data.matching.dates import DateRule
from instageo.data.reading.chip_reader import ReadRules
from instageo.data.sources.source import Product, Source
from instageo.data.sources.sources import find_source
from instageo.errors import ConfigError
from instageo.products.quality_flags import check_flags


@dataclass(frozen=True)
class ChipJob:
    """What a run makes.

    Attributes:
        settings: Options of the command.
        source: The product.
        catalog: Key or address of the catalogue.
        products: Collections to search.
        bands: Bands of a date.
        matching: How images are chosen.
        reading: What is read.
    """

    settings: ChipSettings
    source: Source
    catalog: str
    products: tuple[Product, ...]
    bands: tuple[str, ...]
    matching: MatchRules
    reading: ReadRules

    @property
    def chip_values(self) -> int:
        """Number of elements of a chip."""
        return self.settings.steps * len(self.bands) * self.settings.size**2


def resolve_job(settings: ChipSettings, catalog_key: str) -> ChipJob:
    """Resolve what options leave to the product and the catalogue.

    Args:
        settings: Options of the command.
        catalog_key: Key of the catalogue that the images are from; empty for a list of unknown origin.

    Raises:
        ConfigError: Options contradict each other or the product.
    """
    if not settings.input:
        raise ConfigError("input is missing; give the table or labels")
    source = find_source(settings.source)
    catalog = settings.catalog or source.default_catalog
    products = source.products_in(catalog_key, settings.collection, settings.assets)
    bands = settings.bands or source.bands or tuple(products[0].assets)
    source.check_bands(bands, products)
    mask = check_flags(settings.mask, source.flags, source.name)
    wants_quality = mask or settings.pick == "clearest" or settings.min_clear
    if wants_quality and not all(product.quality for product in products):
        raise ConfigError(f"{source.name} has no quality layer; leave out mask, pick=clearest and min_clear")
    dates = DateRule(
        settings.steps, settings.step_days, settings.tolerance_days, settings.when, settings.month_start
    )  # fmt: skip
    first_days = [source.first(product.collection) for product in products]
    matching = MatchRules(
        dates=dates,
        size=settings.size,
        centre=settings.place == "centre",
        per_point=settings.per_point or settings.label == "value",
        newest_first=settings.order == "newest",
        fill_missing=settings.missing_steps == "fill",
        daytime_only=settings.daytime_only,
        min_count=settings.min_count,
        first_day=min(first_days),
    )
    reading = ReadRules(
        source=source,
        products=products,
        bands=bands,
        mask=mask,
        dilate_m=settings.dilate_m,
        clearest=settings.pick == "clearest",
        min_clear=settings.min_clear,
        min_valid=settings.min_valid,
        stated=settings.sentinel2_shift,
    )
    return ChipJob(settings, source, catalog, products, bands, matching, reading)
