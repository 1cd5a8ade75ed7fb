"""What a satellite product is, for the commands that make chips; each product has a file in this room."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from instageo.data.catalogs.catalogs import CATALOGS
from instageo.data.items.item import Item
from instageo.errors import ConfigError, did_you_mean
from instageo.products.quality_flags import Flag

CHIP_NO_DATA = -9999
"""Value of pixels without an observation in chips."""


def as_stored(values: NDArray[np.generic], item: Item, stated: str | None) -> NDArray[np.floating]:  # noqa: ARG001
    """Return values that are already in the unit of chips."""
    return values.astype(np.float32)


class RefusedItemError(Exception):
    """An item cannot be used; the text says why."""


@dataclass(frozen=True)
class Product:
    """A collection of a catalogue, and where its bands are.

    Attributes:
        collection: Name of the collection.
        assets: Asset of each band.
        quality: Asset of the quality layer; empty without one.
    """

    collection: str
    assets: Mapping[str, str]
    quality: str = ""


@dataclass(frozen=True)
class Source:
    """A satellite product.

    Attributes:
        name: Value of `--source`.
        products: Collections by catalogue; the first catalogue is the default.
        bands: Default bands of a chip.
        first_day: Day of the first image by collection; `""` for all others.
        resolution_m: Pixel size of each band; `""` for all others.
        no_data: Stored value of pixels without an observation, where a file has no tag.
        decode: Returns values in the unit of chips, shape (H, W), float, from stored ones and the item.
        check: Raises a RefusedItemError if an item cannot be decoded.
        offset: Returns what decoding adds to stored values, where that differs between items; it is noted in chips.
        check_values: Raises a RefusedItemError if decoded valid values, by band, contradict the record of their item.
        flags: Names of the quality layer.
        dtype: Type of the values of chips.
        unit: Unit of the values of chips.
        processing_level: `surface` where chips hold reflectance at the surface; None for other values.
        radar_unit: Unit of backscatter; None for products that are not radar.
        sensor: Value of `dataloader.sensor` for chips of the default bands; empty if the bands are enough.
        is_tiled: Whether items lie in tiles whose grid is the same for all dates.
    """

    name: str
    products: Mapping[str, tuple[Product, ...]]
    bands: tuple[str, ...]
    first_day: Mapping[str, date]
    resolution_m: Mapping[str, float]
    no_data: float
    decode: Callable[[NDArray[np.generic], Item, str | None], NDArray[np.floating]]
    check: Callable[[Item, str | None], object] | None = None
    offset: Callable[[Item, str | None], float] | None = None
    check_values: Callable[[Mapping[str, NDArray[np.floating]], Item], None] | None = None
    flags: Mapping[str, Flag] = field(default_factory=dict)
    dtype: str = "int16"
    unit: str = "reflectance x 10000"
    processing_level: str | None = "surface"
    radar_unit: str | None = None
    sensor: str = ""
    is_tiled: bool = True

    @property
    def default_catalog(self) -> str:
        """Catalogue that is searched unless the user names one."""
        return next(iter(self.products))

    def band_resolution(self, band: str) -> float:
        """Return the pixel size of a band, metres."""
        return self.resolution_m.get(band, self.resolution_m[""])

    def first(self, collection: str) -> date:
        """Return the day of the first image of a collection."""
        return self.first_day.get(collection, self.first_day[""])

    def products_in(self, catalog: str, collection: str | None, assets: Mapping[str, str]) -> tuple[Product, ...]:
        """Return the collections to search in a catalogue.

        Args:
            catalog: Key of a catalogue; in another one, collections have the names that they have in the default one.
                Empty for a list of unknown origin, which may hold those of any catalogue.
            collection: Collection that the user named, in place of the catalogue's own.
            assets: Asset of each band that the user named, with `quality` for the quality layer.

        Raises:
            ConfigError: The catalogue does not hold the product.
        """
        if not self.bands:
            if collection is None or not assets:
                raise ConfigError(
                    f"source={self.name} needs --collection NAME and --assets BAND=ASSET,…; choose another source for "
                    "products that the program knows"
                )
            return (Product(collection, {band: asset for band, asset in assets.items() if band != "quality"}),)
        products = self.products.get(catalog)
        if products is None and collection is None and catalog in CATALOGS:
            raise ConfigError(
                f"catalog={catalog} does not hold {self.name}; choose one of {', '.join(self.products)}, or name a "
                "collection"
            )
        every = tuple(product for group in self.products.values() for product in group)
        products = products or (self.products[self.default_catalog] if catalog else every)
        if collection is not None:
            # other catalogues name assets in their own way
            candidates = products if catalog in self.products else (*products, *every)
            same = [product for product in candidates if product.collection == collection]
            base = same[0] if same else Product(collection, dict(products[0].assets), products[0].quality)
            products = (base,)
        quality = assets.get("quality")
        own = {band: asset for band, asset in assets.items() if band != "quality"}
        return tuple(
            Product(product.collection, {**product.assets, **own}, quality or product.quality) for product in products
        )

    def check_bands(self, bands: tuple[str, ...], products: tuple[Product, ...]) -> None:
        """Refuse bands that the product does not have.

        Raises:
            ConfigError: A band is unknown.
        """
        available = [band for band in products[0].assets if all(band in product.assets for product in products)]
        for band in bands:
            if band not in available:
                raise ConfigError(
                    f"bands: {self.name} has no band {band}; choose among {', '.join(available)}"
                    f"{did_you_mean(band, available)}"
                )
