"""For any files, statistics are NumPy's over valid pixels, and a window equals that part of the whole chip."""

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from instageo.errors import DataError
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.image import read_chip, read_layers
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat
from instageo.model.commands.stats import compute_stats
from instageo.model.context import Run
from instageo.model.dataset.cache import DiskCache, MemoryCache
from instageo.model.dataset.chip_reader import list_cache_entries
from instageo.model.inspection import row
from instageo.model.inspection.tables import inspect_table
from instageo.model.settings import DataSettings, Mode, ModelSettings, Settings, TrainSettings
from instageo.raster.reading import read_info
from instageo.table import Row, write_table
from tests.readers import reader_of
from tests.tiffs import LAYOUTS, random_values, write_tiff

KINDS = ["uint8", "int16", "uint16", "int32", "float32", "float64"]
NO_DATA_VALUES = [None, 0, 7, 255, -9999, 70_000, 1e30, math.nan]
"""No-data values; most types can hold only some of them."""


def holds(kind, value):
    """Return whether a type can hold this value, by the rules of NumPy alone."""
    if value is None:
        return False
    if np.dtype(kind).kind == "f":
        return True
    return math.isfinite(value) and np.iinfo(kind).min <= value <= np.iinfo(kind).max


@dataclass(frozen=True)
class Case:
    """One variant of a user's files."""

    seed: int
    kind: str
    dates: int
    bands: int
    sizes: list
    tag: float | None
    no_data_value: float | None
    layout: str
    share: float

    @property
    def no_data(self):
        infinite = [math.nan, math.inf] if np.dtype(self.kind).kind == "f" else []
        return [value for value in (self.tag, self.no_data_value) if holds(self.kind, value)] + infinite

    def chips(self):
        make, layers = random_values(self.seed), self.dates * self.bands
        return [make(self.kind, (layers, *size), self.no_data, self.share) for size in self.sizes]

    def valid(self, values):
        """Return a mask (T, H, W) of the dates on which every band is observed."""
        observed = np.isfinite(values.astype(float))
        for value in (self.tag, self.no_data_value):
            if holds(self.kind, value) and not math.isnan(value):
                observed &= values != np.array(value).astype(self.kind)
        return observed.reshape(self.dates, self.bands, *values.shape[1:]).all(axis=1)


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(KINDS))
    side = st.integers(1, 40)
    return Case(
        draw(st.integers(0, 999)), kind, draw(st.integers(1, 4)), draw(st.integers(1, 3)),
        draw(st.lists(st.tuples(side, side), min_size=1, max_size=3)),
        draw(st.sampled_from([value for value in NO_DATA_VALUES if value is None or holds(kind, value)])),
        draw(st.sampled_from(NO_DATA_VALUES)), draw(st.sampled_from(list(LAYOUTS))),
        draw(st.sampled_from([0.0, 0.05, 0.3])),
    )  # fmt: skip


@st.composite
def label_files(draw):
    """Draw the type of a label file, its format and its own no-data tag."""
    kind = draw(st.sampled_from(["uint8", "int16", "int32", "int64", "float32", "float64"]))
    classes, zero = draw(st.integers(2, 5)), draw(st.booleans())
    ignored = draw(st.sampled_from([200, 255] if kind == "uint8" else [-1, 255, -9999]))
    replaced = draw(st.sampled_from([None, (100, int(zero)), (0, ignored)]))
    tag = draw(st.sampled_from([None, 99, 255]))
    return kind, LabelFormat(classes, ignored, zero, replaced), tag


def labels_of(case, label_file):
    kind, label_format, tag = label_file
    rng, first = np.random.default_rng(case.seed), int(label_format.reduce_to_zero)
    values = [
        *range(first, first + label_format.num_classes),
        label_format.ignore_index,
        *([tag] if tag is not None else []),
    ]
    values += [label_format.replace_label[0]] if label_format.replace_label else []
    values += [0] if label_format.reduce_to_zero else []
    values += [math.nan] if np.dtype(kind).kind == "f" else []
    return [rng.choice(values, size=size).astype(kind)[None] for size in case.sizes]


def class_at(value, label_format, tag):
    """Return the class of one label value by the rules of the settings; None if it is ignored."""
    if math.isnan(value) or value == tag:
        return None
    if label_format.replace_label is not None and value == label_format.replace_label[0]:
        value = label_format.replace_label[1]
    if value == label_format.ignore_index or (label_format.reduce_to_zero and value == 0):
        return None
    return int(value) - label_format.reduce_to_zero


def classes_of(label, label_format, tag):
    classes = [class_at(value, label_format, tag) for value in label.ravel().tolist()]
    return np.array([-5 if index is None else index for index in classes]).reshape(label.shape[1:])


def write(folder, case, labels, tag):
    """Write the files and the table of a case."""
    rows = []
    for number, (values, label) in enumerate(zip(case.chips(), labels, strict=True)):
        row = {"Input": f"chips/{number}.tif", "Label": f"labels/{number}.tif"}
        write_tiff(folder / row["Input"], values, tag=case.tag, layout=case.layout)
        write_tiff(folder / row["Label"], label, tag=tag, layout=case.layout)
        rows.append(row)
    write_table(folder / "train.csv", rows)


def statistics(folder, case, label_format=None, scale=(1.0, 0.0, None)):
    config = Settings(
        root_dir=str(folder),
        train_filepath="train.csv",
        mode=Mode.stats,
        is_reg_task=label_format is None,
        train=TrainSettings(ignore_index=label_format.ignore_index if label_format else -1),
        model=ModelSettings(num_classes=label_format.num_classes if label_format else 2),
        dataloader=DataSettings(
            temporal_dim=case.dates, band_names=[f"B{number}" for number in range(case.bands)],
            no_data_value=case.no_data_value, constant_multiplier=scale[0], constant_offset=scale[1],
            max_pixel_value=scale[2],
            reduce_to_zero=bool(label_format and label_format.reduce_to_zero), on_bad_row="skip",
            replace_label=list(label_format.replace_label) if label_format and label_format.replace_label else None,
        ),
    )  # fmt: skip
    return compute_stats(config, inspect_table(Run(config, folder), "train_filepath", values=True))


def numpy_statistics(case, labels, label_format, tag, scale):
    """Compute the same from the arrays that were written; None if no chip can be used."""
    values, counts, pixels = [], np.zeros(label_format.num_classes, int), 0
    for chip, label in zip(case.chips(), labels, strict=True):
        valid, truth = case.valid(chip), classes_of(label, label_format, tag)
        truth = np.where(valid.any(axis=0), truth, -5)
        if not (truth >= 0).any():
            continue
        image = chip.reshape(case.dates, case.bands, *chip.shape[1:]).astype(float)
        values += [image[date][:, valid[date]] * scale[0] + scale[1] for date in range(case.dates)]
        counts += np.bincount(truth[truth >= 0], minlength=label_format.num_classes)
        pixels += valid.size
    if not values:
        return None
    flat = np.concatenate(values, axis=1)
    flat = flat if scale[2] is None else np.minimum(flat, scale[2])
    return {
        "mean": flat.mean(axis=1), "std": flat.std(axis=1), "counts": counts, "fraction": flat.shape[1] / pixels,
        "unit": np.abs(flat).max(),
    }  # fmt: skip


SCALES = [(1.0, 0.0, None), (1e-4, 0.0, None), (2.0, -1000.0, None), (0.5, 3.0, 100.0), (-1.0, 0.0, 20.0)]


@settings(max_examples=50)
@given(cases(), label_files(), st.sampled_from(SCALES))
def test_statistics_are_those_of_numpy_with_and_without_the_cache(
    case, label_file, scale
):  # pitfalls 9, 10, 11, 13, 16, 38
    _, label_format, tag = label_file
    labels = labels_of(case, label_file)
    expected = numpy_statistics(case, labels, label_format, tag, scale)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        write(Path(folder), case, labels, tag)
        if expected is None:
            with pytest.raises(DataError, match=r"rows? cannot be used"):
                statistics(Path(folder), case, label_format, scale)
            return
        computed = statistics(Path(folder), case, label_format, scale)
        patch.delattr(row, "open_raster")
        assert statistics(Path(folder), case, label_format, scale) == computed
    assert_allclose(computed["mean"], expected["mean"], rtol=1e-9, atol=1e-12 * expected["unit"])
    assert_allclose(computed["std"], expected["std"], rtol=1e-9, atol=1e-12 * expected["unit"])
    assert computed["class_counts"] == expected["counts"].tolist()
    assert computed["valid_fraction"] == expected["fraction"]


@settings(max_examples=25)
@given(cases(), st.sampled_from(["int16", "float32", "float64"]))
def test_label_statistics_of_a_regression_are_those_of_numpy(case, kind):  # pitfalls 9, 10, 23
    marks = [-1] + ([math.nan] if np.dtype(kind).kind == "f" else [])
    labels = [random_values(case.seed + 1)(kind, (1, *size), marks) for size in case.sizes]
    usable = [
        label[0].astype(float)[case.valid(chip).any(axis=0) & np.isfinite(label[0].astype(float)) & (label[0] != -1)]
        for chip, label in zip(case.chips(), labels, strict=True)
    ]
    flat = np.concatenate(usable).astype(np.float32).astype(float)  # targets are float32
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), case, labels, None)
        if not flat.size:
            with pytest.raises(DataError, match=r"rows? cannot be used"):
                statistics(Path(folder), case)
            return
        computed = statistics(Path(folder), case)
    unit = np.abs(flat).max()
    assert computed["label_count"] == flat.size
    assert (computed["label_min"], computed["label_max"]) == (flat.min(), flat.max())
    assert_allclose(
        [computed["label_mean"], computed["label_std"]], [flat.mean(), flat.std()], rtol=1e-9, atol=1e-12 * unit
    )


def draw_part(height, width, draw):
    """Draw a window of a chip: at least one pixel, at most all."""
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return slice(top, draw(st.integers(top + 1, height))), slice(left, draw(st.integers(left + 1, width)))


@settings(max_examples=40)
@given(cases(), label_files(), st.data())
def test_a_window_of_a_file_equals_that_part_of_the_whole(case, label_file, data):  # pitfalls 2, 16
    chip_format = ChipFormat(case.dates, None, case.no_data_value)
    window = draw_part(*case.sizes[0], data.draw)
    with tempfile.TemporaryDirectory() as folder:
        path = write_tiff(Path(folder) / "chip.tif", case.chips()[0], tag=case.tag, layout=case.layout)
        truth = write_tiff(
            Path(folder) / "label.tif", labels_of(case, label_file)[0], tag=label_file[2], layout=case.layout
        )
        whole, cut = read_layers(path, chip_format), read_layers(path, chip_format, window)
        assert_array_equal(cut.values, whole.values[:, *window])
        assert_array_equal(cut.valid, whole.valid[:, *window])
        assert_array_equal(whole.valid, case.valid(case.chips()[0]))
        assert cut.grid == whole.grid.window(window[0].start, window[1].start, *cut.valid.shape[1:])
        assert_array_equal(label_file[1].read(truth, window), label_file[1].read(truth)[window])
        target = TargetFormat(7)
        parts = [target.read(truth, part) for part in (window, None)]
        assert_array_equal(parts[0], parts[1][window])


@settings(max_examples=25)
@given(cases(), label_files(), st.data())
def test_caches_return_the_same_samples_as_files(case, label_file, data):  # pitfalls 13, 16
    chips, window = (
        ChipFormat(case.dates, None, case.no_data_value, 0.5, 3.0, 100.0),
        draw_part(*case.sizes[0], data.draw),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = write_tiff(Path(folder) / "chip.tif", case.chips()[0], tag=case.tag, layout=case.layout)
        truth = write_tiff(
            Path(folder) / "label.tif", labels_of(case, label_file)[0], tag=label_file[2], layout=case.layout
        )
        plain = reader_of([Row("chip", path, truth)], chips, label_file[1])
        entries = list_cache_entries(plain, case.dates * case.bands, [read_info(path).dtype])
        for cache in (MemoryCache(entries), DiskCache(entries, Path(folder) / "cache")):
            cached = replace(plain, cache=cache)
            for part in (None, window, None):  # the second and third time from the cache
                expected, loaded = plain.read(0, part), cached.read(0, part)
                for name in ("image", "valid", "label"):
                    one, other = getattr(expected, name), getattr(loaded, name)
                    assert one.dtype == other.dtype
                    assert torch.equal(one, other), name


@settings(max_examples=30)
@given(cases(), st.sampled_from(SCALES))
def test_a_decoded_chip_is_finite_and_zero_where_nothing_is_observed(case, scale):  # pitfalls 9, 12
    with tempfile.TemporaryDirectory() as folder:
        path = write_tiff(Path(folder) / "chip.tif", case.chips()[0], tag=case.tag, layout=case.layout)
        chip = read_chip(path, ChipFormat(case.dates, None, case.no_data_value, *scale))
    values, valid = case.chips()[0], case.valid(case.chips()[0])
    by_date = np.where(valid[:, None], values.reshape(case.dates, case.bands, *valid.shape[1:]), 0).astype(float)
    expected = by_date * scale[0] + np.where(valid[:, None], scale[1], 0)
    expected = expected if scale[2] is None else np.minimum(expected, scale[2])
    assert np.isfinite(chip.image).all()
    assert (chip.image[:, ~valid] == 0).all()
    unit = max(np.abs(by_date).max() * abs(scale[0]), 1)
    assert_allclose(chip.image, expected.swapaxes(0, 1), rtol=1e-6, atol=1e-6 * unit)
