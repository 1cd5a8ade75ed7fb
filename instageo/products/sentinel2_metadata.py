"""Scale and offsets in the metadata of a Sentinel-2 Level-2A product, `MTD_MSIL2A.xml`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers.expat import ExpatError, ParserCreate  # nosec B406

from instageo.errors import DataError
from instageo.sensors import REFLECTANCE_UNIT, SENSORS

METADATA = "MTD_MSIL2A.xml"

BAND_IDS = SENSORS["sentinel2_l1c"].bands
"""Bands by `band_id`: all 13 of the instrument in the order of their codes."""

MAX_BYTES = 1 << 24
"""Largest size of a document; those of ESA have some 60 KB."""


@dataclass(frozen=True)
class Sentinel2Metadata:
    """Scale and offsets of a product: reflectance x 10000 is stored value * scale + offset.

    Attributes:
        scale: Factor of all bands.
        offsets: What is added after the factor, by band; bands without an entry have 0.
    """

    scale: float = 1.0
    offsets: Mapping[str, float] = field(default_factory=dict)


def read_sentinel2_metadata(content: bytes, path: str) -> Sentinel2Metadata:
    """Return scale and offsets of a product.

    Products before processing baseline 04.00 state no offsets, since they have none.

    Args:
        content: The document `MTD_MSIL2A.xml`.
        path: Its location, for messages.

    Raises:
        DataError: The document is too large, is no XML, has a document type definition, or lacks the scale.
    """
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: has {len(content)} bytes; expected at most {MAX_BYTES}; is it ESA's {METADATA}?")
    quantification, offsets = 0.0, {}
    try:
        for tag, attributes, text in _elements(content):
            if tag == "BOA_QUANTIFICATION_VALUE":
                quantification = float(text)
            elif tag == "BOA_ADD_OFFSET":
                offsets[BAND_IDS[int(attributes["band_id"])]] = float(text)
    except (ExpatError, ValueError, KeyError, IndexError) as error:
        raise DataError(f"{path}: cannot be read as the metadata of a Sentinel-2 product ({error})") from error
    if not quantification > 0:
        raise DataError(f"{path}: states no BOA_QUANTIFICATION_VALUE above 0; expected that of a Level-2A product")
    scale = REFLECTANCE_UNIT / quantification
    return Sentinel2Metadata(scale, {band: offset * scale for band, offset in offsets.items()})


def _elements(content: bytes) -> list[tuple[str, dict[str, str], str]]:
    """Return name, attributes and text of the elements of a document that hold no others before their text.

    Raises:
        ValueError: It has a document type definition, which could name other files or expand without bound.
        ExpatError: It is no XML.
    """
    elements: list[tuple[str, dict[str, str], list[str]]] = []

    def refuse(*_: object) -> None:
        raise ValueError("it has a document type definition, which these documents never have")

    parser = ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda name, attributes: elements.append((name.rpartition(":")[2], attributes, []))
    parser.CharacterDataHandler = lambda text: elements[-1][2].append(text)
    parser.Parse(content, True)
    return [(name, attributes, "".join(texts).strip()) for name, attributes, texts in elements]
