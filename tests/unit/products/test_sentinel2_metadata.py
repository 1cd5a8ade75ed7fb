import pytest

from instageo.errors import DataError
from instageo.products.sentinel2_metadata import MAX_BYTES, read_sentinel2_metadata

BODY = "<A><BOA_QUANTIFICATION_VALUE>10000</BOA_QUANTIFICATION_VALUE>{}</A>"


def read(text):
    return read_sentinel2_metadata(text.encode(), "MTD.xml")


def test_older_products_have_no_offsets():
    metadata = read(BODY.format(""))
    assert (metadata.scale, metadata.offsets) == (1.0, {})


def test_band_ids_count_all_bands_of_the_instrument():
    offsets = "".join(f'<BOA_ADD_OFFSET band_id="{number}">-{number}</BOA_ADD_OFFSET>' for number in range(13))
    found = read(BODY.format(offsets)).offsets
    assert (found["COASTAL_AEROSOL"], found["NIR_NARROW"], found["SWIR_1"], found["SWIR_2"]) == (0, -8, -11, -12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BODY.format("<B>"), "mismatched tag"),
        ("<A/>", "states no BOA_QUANTIFICATION_VALUE above 0"),
        (BODY.format('<BOA_ADD_OFFSET band_id="13">-1</BOA_ADD_OFFSET>'), "cannot be read as the metadata"),
        ('<!DOCTYPE A [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + BODY.format("&b;"), "document type definition"),
    ],
)
def test_documents_that_are_refused(text, reason):
    with pytest.raises(DataError, match=reason):
        read(text)


def test_documents_beyond_the_bound_are_not_parsed():
    with pytest.raises(DataError, match="expected at most"):
        read_sentinel2_metadata(b" " * (MAX_BYTES + 1), "MTD.xml")
