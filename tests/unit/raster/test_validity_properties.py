"""For any type, tags, mask, side-car and window, the pixels that count are those of NumPy and of GDAL."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from instageo.raster.reading import read_raster
from tests.tiffs import MASK_KINDS, random_values, write_layer_tags, write_masked_tiff

KINDS = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
SPECIAL = [0, 1, 7, 100]
"""Values that every type holds; they occur often, and some of them are no-data."""

TAGS = [None, 0, 7, 100]


@dataclass(frozen=True)
class Case:
    """One variant of a file, and what is read of it."""

    seed: int
    dtype: str
    shape: tuple[int, int, int]
    mask_kind: str | None
    tag: float | None
    layer_tags: tuple[float | None, ...] | None
    no_data_value: float | None
    layers: tuple[int, ...] | None
    window: tuple[slice, slice] | None

    @property
    def mask(self):
        return np.random.default_rng(self.seed).random(self.shape[1:]) < 0.7

    def values(self):
        values = random_values(self.seed)(self.dtype, self.shape, SPECIAL)
        if np.dtype(self.dtype).kind == "f":
            values[np.random.default_rng(self.seed + 1).random(self.shape) < 0.1] = np.nan
            values[np.random.default_rng(self.seed + 2).random(self.shape) < 0.1] = np.inf
        return values

    def write(self, folder):
        path = write_masked_tiff(folder / "chip.tif", self.values(), self.mask, self.mask_kind, tag=self.tag)
        if self.layer_tags is not None:
            write_layer_tags(path, self.layer_tags)
        return path

    def valid(self):
        """Return which pixels count, from what was written alone."""
        values = self.values()
        valid = np.isfinite(values.astype(float))
        for layer, own_tag in enumerate(self.layer_tags or [self.tag] * self.shape[0]):
            for no_data in (own_tag, self.no_data_value):
                if no_data is not None:
                    valid[layer] &= values[layer].astype(float) != no_data
        return valid if self.mask_kind is None else valid & self.mask

    def part(self, array):
        """Return the layers and the window that are read."""
        layers = slice(None) if self.layers is None else list(self.layers)
        return array[layers][:, *(self.window or (slice(None), slice(None)))]


@st.composite
def cases(draw):
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 20), st.integers(1, 20)))
    rows, columns = (
        sorted(draw(st.lists(st.integers(0, side), min_size=2, max_size=2, unique=True))) for side in shape[1:]
    )
    layer_tags = draw(st.none() | st.tuples(*[st.sampled_from(TAGS)] * shape[0]))
    return Case(
        draw(st.integers(0, 999)), draw(st.sampled_from(KINDS)), shape, draw(st.sampled_from([None, *MASK_KINDS])),
        draw(st.sampled_from(TAGS)) if layer_tags is None else None, layer_tags, draw(st.sampled_from(TAGS)),
        draw(st.none() | st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=4).map(tuple)),
        draw(st.sampled_from([None, (slice(*rows), slice(*columns))])),
    )  # fmt: skip


@settings(max_examples=150)
@given(cases())
def test_the_pixels_that_count_are_those_that_were_written(case):  # pitfalls 9, 70
    with tempfile.TemporaryDirectory() as folder:
        raster = read_raster(case.write(Path(folder)), case.layers, case.no_data_value, case.window)
    assert_array_equal(raster.values, case.part(case.values()))
    assert_array_equal(raster.valid, case.part(case.valid()))


@settings(max_examples=100)
@given(cases())
def test_the_pixels_that_count_are_those_of_gdal(case):  # pitfall 70
    """GDAL lets a mask replace the tags, and finds alpha in some files only: each part is asked for on its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = case.write(Path(folder))
        read = case.layers or range(case.shape[0])
        with rasterio.open(path) as source:
            values, tags = source.read(), source.nodatavals
            alpha = values[-1] > 0 if len(values) > case.shape[0] else np.ones(case.shape[1:], bool)
            valid = np.stack([source.read_masks(layer + 1) > 0 for layer in read]) & alpha
        for place, layer in enumerate(read):
            valid[place] &= np.isfinite(values[layer].astype(float))
            for no_data in (tags[layer], case.no_data_value):
                if no_data is not None:
                    valid[place] &= values[layer].astype(float) != no_data
        raster = read_raster(path, case.layers, case.no_data_value, case.window)
    assert_array_equal(raster.valid, valid[:, *(case.window or (slice(None), slice(None)))])
