"""Files on this machine that have changed count as other files, so that a map of them is made again."""

import numpy as np

from instageo.data.catalogs.access import local_stamp
from instageo.data.catalogs.item_lists import list_access, read_items
from instageo.data.composites.composite_scene import composite_image
from instageo.data.sources.hls import HLS
from tests.items import write_catalog


def identity_of_first_band(path):
    items, access = read_items(path), list_access(path, "planetary")
    [product, *_] = HLS.products_in("planetary", None, {})
    return composite_image(items.items[0], product, ("BLUE",), HLS, access).bands[0].identity


def write(folder, value):
    return write_catalog(folder, days=("2024-05-01",), size=64, pixels=lambda *args: np.full_like(args[-1], value))


def test_a_file_that_has_changed_is_another_one(tmp_path):
    path = write(tmp_path, 100)
    first = identity_of_first_band(path)
    assert identity_of_first_band(path) == first
    assert identity_of_first_band(write(tmp_path, 200)) != first


def test_other_addresses_have_no_stamp(tmp_path):
    access = list_access(tmp_path / "items.json", "planetary")
    for href in ("https://example.org/B02.tif", "files/missing.tif", "../../../etc/passwd"):
        assert local_stamp(access, href) == ""
