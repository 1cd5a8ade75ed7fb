"""Fields of STAC Items that those of models and those of maps share."""

from typing import Any

EXTENSIONS = {
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "classification": "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "file": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "processing": "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "mlm": "https://stac-extensions.github.io/mlm/v1.4.0/schema.json",
}
"""Schemas of extensions by the prefix of their fields."""


def file_fields(size: int, sha256: str) -> dict[str, Any]:
    """Return the size and the checksum of a file, which is a multihash, as the file extension describes them."""
    return {"file:size": size, "file:checksum": f"1220{sha256}"}


def classification_name(text: str) -> str:
    """Return a name as the classification extension allows it: letters, digits, `-` and `_`.

    Examples:
        >>> classification_name("Bare soil (dry)"), classification_name("ውሃ")
        ('Bare-soil--dry', 'class')
    """
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in text).strip("-") or "class"
