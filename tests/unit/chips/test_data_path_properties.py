"""Whatever files hold, statistics are NumPy's over valid pixels, and a window is that window of the whole chip."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from instageo.errors import DataError
from instageo.model.chips.image import ChipFormat, read_chip, read_layers
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat, read_label, read_target
from instageo.model.commands.stats import summary
from instageo.model.context import Run
from instageo.model.dataset.cache import DiskCache, MemoryCache
from instageo.model.dataset.chip_reader import cache_entries
from instageo.model.inspection import row
from instageo.model.inspection.tables import inspect_table
from instageo.model.settings import DataSettings, Mode, ModelSettings, Settings, TrainSettings
from instageo.raster.reading import read_info
from instageo.table import Row, write_table
from tests.sources import LAYOUTS, numbers_of, source_of, write_tiff

KINDS = ["uint8", "int16", "uint16", "int32", "float32", "float64"]
MARKS = [None, 0, 7, 255, -9999, 70_000, 1e30, math.nan]
"""No-data values, of which most types can hold only some."""


def holds(kind, mark):
    """Whether a type has this value, by the rules of NumPy alone."""
    if mark is None:
        return False
    if np.dtype(kind).kind == "f":
        return True
    return math.isfinite(mark) and np.iinfo(kind).min <= mark <= np.iinfo(kind).max


@dataclass(frozen=True)
class Case:
    """One way in which a user's files may be."""

    seed: int
    kind: str
    dates: int
    bands: int
    sizes: list
    tag: float | None
    told: float | None
    layout: str
    share: float

    @property
    def marks(self):
        infinite = [math.nan, math.inf] if np.dtype(self.kind).kind == "f" else []
        return [mark for mark in (self.tag, self.told) if holds(self.kind, mark)] + infinite

    def chips(self):
        make, layers = numbers_of(self.seed), self.dates * self.bands
        return [make(self.kind, (layers, *size), self.marks, self.share) for size in self.sizes]

    def seen(self, values):
        """Dates (T, H, W) on which every band is there."""
        there = np.isfinite(values.astype(float))
        for mark in (self.tag, self.told):
            if holds(self.kind, mark) and not math.isnan(mark):
                there &= values != np.array(mark).astype(self.kind)
        return there.reshape(self.dates, self.bands, *values.shape[1:]).all(axis=1)


@st.composite
def cases(draw):
    kind = draw(st.sampled_from(KINDS))
    side = st.integers(1, 40)
    return Case(
        draw(st.integers(0, 999)), kind, draw(st.integers(1, 4)), draw(st.integers(1, 3)),
        draw(st.lists(st.tuples(side, side), min_size=1, max_size=3)),
        draw(st.sampled_from([mark for mark in MARKS if mark is None or holds(kind, mark)])),
        draw(st.sampled_from(MARKS)), draw(st.sampled_from(list(LAYOUTS))), draw(st.sampled_from([0.0, 0.05, 0.3])),
    )  # fmt: skip


@st.composite
def label_ways(draw):
    """Type of a label file, how it is read, and its own no-data tag."""
    kind = draw(st.sampled_from(["uint8", "int16", "int32", "int64", "float32", "float64"]))
    classes, zero = draw(st.integers(2, 5)), draw(st.booleans())
    ignored = draw(st.sampled_from([200, 255] if kind == "uint8" else [-1, 255, -9999]))
    replaced = draw(st.sampled_from([None, (100, int(zero)), (0, ignored)]))
    tag = draw(st.sampled_from([None, 99, 255]))
    return kind, LabelFormat(classes, ignored, zero, replaced), tag


def labels_of(case, way):
    kind, form, tag = way
    rng, first = np.random.default_rng(case.seed), int(form.reduce_to_zero)
    values = [*range(first, first + form.num_classes), form.ignore_index, *([tag] if tag is not None else [])]
    values += [form.replace_label[0]] if form.replace_label else []
    values += [0] if form.reduce_to_zero else []
    values += [math.nan] if np.dtype(kind).kind == "f" else []
    return [rng.choice(values, size=size).astype(kind)[None] for size in case.sizes]


def class_at(value, form, tag):
    """The class of one label value by the rules written in the settings, pixel by pixel; None where ignored."""
    if math.isnan(value) or value == tag:
        return None
    if form.replace_label is not None and value == form.replace_label[0]:
        value = form.replace_label[1]
    if value == form.ignore_index or (form.reduce_to_zero and value == 0):
        return None
    return int(value) - form.reduce_to_zero


def classes_of(label, form, tag):
    found = [class_at(value, form, tag) for value in label.ravel().tolist()]
    return np.array([-5 if value is None else value for value in found]).reshape(label.shape[1:])


def write(folder, case, labels, tag):
    """The files and table of a case."""
    rows = []
    for number, (values, label) in enumerate(zip(case.chips(), labels, strict=True)):
        row = {"Input": f"chips/{number}.tif", "Label": f"labels/{number}.tif"}
        write_tiff(folder / row["Input"], values, tag=case.tag, layout=case.layout)
        write_tiff(folder / row["Label"], label, tag=tag, layout=case.layout)
        rows.append(row)
    write_table(folder / "train.csv", rows)


def statistics(folder, case, form=None, scale=(1.0, 0.0, None)):
    config = Settings(
        root_dir=str(folder),
        train_filepath="train.csv",
        mode=Mode.stats,
        is_reg_task=form is None,
        train=TrainSettings(ignore_index=form.ignore_index if form else -1),
        model=ModelSettings(num_classes=form.num_classes if form else 2),
        dataloader=DataSettings(
            temporal_dim=case.dates, band_names=[f"B{number}" for number in range(case.bands)],
            no_data_value=case.told, constant_multiplier=scale[0], constant_offset=scale[1], max_pixel_value=scale[2],
            reduce_to_zero=bool(form and form.reduce_to_zero), on_bad_row="skip",
            replace_label=list(form.replace_label) if form and form.replace_label else None,
        ),
    )  # fmt: skip
    return summary(config, inspect_table(Run(config, folder), "train_filepath", values=True))


def numpy_statistics(case, labels, form, tag, scale):
    """The same from the arrays that were written; None where no chip can be used."""
    values, counts, pixels = [], np.zeros(form.num_classes, int), 0
    for chip, label in zip(case.chips(), labels, strict=True):
        seen, truth = case.seen(chip), classes_of(label, form, tag)
        truth = np.where(seen.any(axis=0), truth, -5)
        if not (truth >= 0).any():
            continue
        image = chip.reshape(case.dates, case.bands, *chip.shape[1:]).astype(float)
        values += [image[date][:, seen[date]] * scale[0] + scale[1] for date in range(case.dates)]
        counts += np.bincount(truth[truth >= 0], minlength=form.num_classes)
        pixels += seen.size
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
@given(cases(), label_ways(), st.sampled_from(SCALES))
def test_statistics_are_those_of_numpy_now_and_from_memory(case, way, scale):  # pitfalls 9, 10, 11, 13, 16, 38
    _, form, tag = way
    labels = labels_of(case, way)
    expected = numpy_statistics(case, labels, form, tag, scale)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        write(Path(folder), case, labels, tag)
        if expected is None:
            with pytest.raises(DataError, match="rows cannot be used"):
                statistics(Path(folder), case, form, scale)
            return
        found = statistics(Path(folder), case, form, scale)
        patch.delattr(row, "open_raster")
        assert statistics(Path(folder), case, form, scale) == found
    assert_allclose(found["mean"], expected["mean"], rtol=1e-9, atol=1e-12 * expected["unit"])
    assert_allclose(found["std"], expected["std"], rtol=1e-9, atol=1e-12 * expected["unit"])
    assert found["class_counts"] == expected["counts"].tolist()
    assert found["valid_fraction"] == expected["fraction"]


@settings(max_examples=25)
@given(cases(), st.sampled_from(["int16", "float32", "float64"]))
def test_label_statistics_of_a_regression_are_those_of_numpy(case, kind):  # pitfalls 9, 10, 23
    marks = [-1] + ([math.nan] if np.dtype(kind).kind == "f" else [])
    labels = [numbers_of(case.seed + 1)(kind, (1, *size), marks) for size in case.sizes]
    usable = [
        label[0].astype(float)[case.seen(chip).any(axis=0) & np.isfinite(label[0].astype(float)) & (label[0] != -1)]
        for chip, label in zip(case.chips(), labels, strict=True)
    ]
    flat = np.concatenate(usable).astype(np.float32).astype(float)  # targets are float32
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), case, labels, None)
        if not flat.size:
            with pytest.raises(DataError, match="rows cannot be used"):
                statistics(Path(folder), case)
            return
        found = statistics(Path(folder), case)
    unit = np.abs(flat).max()
    assert found["label_count"] == flat.size
    assert (found["label_min"], found["label_max"]) == (flat.min(), flat.max())
    assert_allclose([found["label_mean"], found["label_std"]], [flat.mean(), flat.std()], rtol=1e-9, atol=1e-12 * unit)


def part(height, width, draw):
    """A window of a chip: at least one pixel, at most all."""
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return slice(top, draw(st.integers(top + 1, height))), slice(left, draw(st.integers(left + 1, width)))


@settings(max_examples=40)
@given(cases(), label_ways(), st.data())
def test_a_window_of_a_file_is_that_window_of_the_whole(case, way, data):  # pitfalls 2, 16
    form = ChipFormat(case.dates, None, case.told)
    window = part(*case.sizes[0], data.draw)
    with tempfile.TemporaryDirectory() as folder:
        path = write_tiff(Path(folder) / "chip.tif", case.chips()[0], tag=case.tag, layout=case.layout)
        truth = write_tiff(Path(folder) / "label.tif", labels_of(case, way)[0], tag=way[2], layout=case.layout)
        whole, cut = read_layers(path, form), read_layers(path, form, window)
        assert_array_equal(cut.values, whole.values[:, *window])
        assert_array_equal(cut.valid, whole.valid[:, *window])
        assert_array_equal(whole.valid, case.seen(case.chips()[0]))
        assert cut.grid == whole.grid.window(window[0].start, window[1].start, *cut.valid.shape[1:])
        assert_array_equal(read_label(truth, way[1], window), read_label(truth, way[1])[window])
        target = TargetFormat(7)
        parts = [read_target(truth, target, part) for part in (window, None)]
        assert_array_equal(parts[0], parts[1][window])


@settings(max_examples=25)
@given(cases(), label_ways(), st.data())
def test_caches_give_what_files_give(case, way, data):  # pitfalls 13, 16
    chips, window = ChipFormat(case.dates, None, case.told, 0.5, 3.0, 100.0), part(*case.sizes[0], data.draw)
    with tempfile.TemporaryDirectory() as folder:
        path = write_tiff(Path(folder) / "chip.tif", case.chips()[0], tag=case.tag, layout=case.layout)
        truth = write_tiff(Path(folder) / "label.tif", labels_of(case, way)[0], tag=way[2], layout=case.layout)
        plain = source_of([Row("chip", path, truth)], chips, way[1])
        kept = cache_entries(plain, case.dates * case.bands, [read_info(path).dtype])
        for cache in (MemoryCache(kept), DiskCache(kept, Path(folder) / "cache")):
            source = type(plain)(
                *(getattr(plain, name) for name in plain.__dataclass_fields__ if name != "cache"), cache
            )
            for place in (None, window, None):  # the second and third time from the cache
                expected, found = plain.read(0, place), source.read(0, place)
                for name in ("image", "valid", "label"):
                    one, other = getattr(expected, name), getattr(found, name)
                    assert one.dtype == other.dtype
                    assert torch.equal(one, other), name


@settings(max_examples=30)
@given(cases(), st.sampled_from(SCALES))
def test_a_decoded_chip_is_finite_and_zero_where_nothing_was_seen(case, scale):  # pitfalls 9, 12
    with tempfile.TemporaryDirectory() as folder:
        path = write_tiff(Path(folder) / "chip.tif", case.chips()[0], tag=case.tag, layout=case.layout)
        chip = read_chip(path, ChipFormat(case.dates, None, case.told, *scale))
    values, seen = case.chips()[0], case.seen(case.chips()[0])
    by_date = np.where(seen[:, None], values.reshape(case.dates, case.bands, *seen.shape[1:]), 0).astype(float)
    expected = by_date * scale[0] + np.where(seen[:, None], scale[1], 0)
    expected = expected if scale[2] is None else np.minimum(expected, scale[2])
    assert np.isfinite(chip.image).all()
    assert (chip.image[:, ~seen] == 0).all()
    unit = max(np.abs(by_date).max() * abs(scale[0]), 1)
    assert_allclose(chip.image, expected.swapaxes(0, 1), rtol=1e-6, atol=1e-6 * unit)
