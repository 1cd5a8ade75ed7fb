"""Whether images are of the product that was asked for: a list may hold those of another one."""

from collections.abc import Sequence

from instageo.data.items.item import Item
from instageo.data.matching.scenes import Scenes
from instageo.data.output.skipped import Reason
from instageo.data.sources.source import Product, Source
from instageo.errors import DataError
from instageo.wording import counted


def check_product(
    items: Sequence[Item],
    scenes: Scenes,
    source: Source,
    products: Sequence[Product],
    bands: Sequence[str],
    advice: str,
) -> None:
    """Raise unless some image has the collection and the assets of the product.

    Args:
        items: All images.
        scenes: Those of them that can be used, and why others cannot.
        source: The product.
        products: Its collections.
        bands: Bands that are needed.
        advice: What to do, the end of the message.

    Raises:
        DataError: None has; nothing can be read of the product.
    """
    others = [item.reason for items in scenes.rejected.values() for item in items]
    if not items or scenes.usable or any(reason is not Reason.ASSET_MISSING for reason in others):
        return
    expected = " or ".join(
        f"{', '.join(product.assets[band] for band in bands)} of {product.collection or 'any collection'}"
        for product in products
    )
    first = items[0]
    raise DataError(
        f"none of {counted(len(items), 'image')} is of {source.name}: expected the assets {expected}; the first is "
        f"{first.id} of {first.collection or 'no collection'} with {', '.join(first.assets)}; {advice}"
    )
