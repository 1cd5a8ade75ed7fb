"""Labels of whole chips, and of continuous values."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from instageo.errors import DataError, InstaGeoError
from instageo.model.chips.chip_labels import ChipClass, ChipClasses, ChipValue
from instageo.model.chips.image import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat, read_target
from instageo.model.inspection.row import InspectionSpec, inspect_row
from instageo.table import Row, read_table

NAN = np.nan
NAMES = ("land", "water", "ice")


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("2", LabelFormat(3), 2),
        ("2.0", LabelFormat(3), 2),
        ("water", LabelFormat(3), 1),
        ("-1", LabelFormat(3), -1),
        ("3", LabelFormat(3, reduce_to_zero=True), 2),
        ("0", LabelFormat(3, reduce_to_zero=True), -1),
        ("9", LabelFormat(3, replace_label=(9, 0)), 0),
    ],
)
def test_a_class_by_number_as_in_files_or_by_name(text, form, expected):
    label = ChipClass(form, NAMES).read(text)
    assert (label.shape, label.dtype, label[0, 0]) == ((1, 1), np.int64, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("water", [0, 1, 0]), ("0;ice", [1, 0, 1]), (" land ; 2 ;", [1, 0, 1]), ("-", [0, 0, 0]), ("-1", [-1, -1, -1])],
)
def test_several_classes(text, expected):
    label = ChipClasses(LabelFormat(3), NAMES).read(text)
    assert label[:, 0, 0].tolist() == expected
    assert label.shape == (3, 1, 1)


def test_a_value():
    form = ChipValue(TargetFormat(-9999))
    assert form.read("1.5").tolist() == [[1.5]]
    assert not form.labelled(form.read("-9999")).any()


@pytest.mark.parametrize(
    ("form", "text", "words"),
    [
        (
            ChipClass(LabelFormat(3), NAMES),
            "wather",
            "neither the number nor the name of a class; known are land, water",
        ),
        (ChipClass(LabelFormat(3)), "water", "name classes with model.class_names"),
        (ChipClass(LabelFormat(3)), "3", r"label 3: label values \[3\] are outside the classes 0\.\.2"),  # pitfall 18
        (ChipClass(LabelFormat(3)), "1.5", "fractional; expected whole class numbers, or is_reg_task=true for values"),
        (ChipClass(LabelFormat(3), NAMES), "land;water", "; several classes per chip need .*label_kind=chip_multi"),
        (ChipClass(LabelFormat(3)), "labels/a.tif", "; labels that are files need dataloader.label_kind=raster"),
        (ChipValue(TargetFormat()), "labels/a.tif", "; labels that are files need dataloader.label_kind=raster"),
        (ChipClasses(LabelFormat(3)), "0;7", r"\[7\] are outside"),
        (ChipValue(TargetFormat()), "many", "label many is no number"),
        (ChipValue(TargetFormat()), "inf", "infinite"),
        (ChipValue(TargetFormat(above=-1)), "-2", "takes the logarithm of 1 . label"),
    ],
)
def test_what_is_no_label_is_told(form, text, words):
    with pytest.raises(InstaGeoError, match=words):
        form.read(text)


def test_values_of_pixels_with_what_is_no_label(make_raster):
    values = np.array([[-1, 0.5, NAN], [7, -9999, 3]], np.float32)
    path = make_raster("label.tif", values, no_data_value=-9999)
    assert_array_equal(read_target(path, TargetFormat(-1)), [[NAN, 0.5, NAN], [7, NAN, 3]])
    assert_array_equal(read_target(path, TargetFormat(-1, replace_label=(7, -1))), [[NAN, 0.5, NAN], [NAN, NAN, 3]])


def test_a_logarithm_that_cannot_be_taken_is_told_with_file_and_value(make_raster):
    path = make_raster("label.tif", np.array([[0.5, -3]], np.float32))
    with pytest.raises(DataError, match=r"label\.tif: has the label -3, but model\.use_log_scale=true"):
        read_target(path, TargetFormat(-1, above=-1))
    assert read_target(path, TargetFormat(-3, above=-1))[0, 0] == 0.5


@pytest.mark.parametrize(
    ("label", "form", "counts", "mean"),
    [
        ("water", ChipClass(LabelFormat(3), NAMES), (0, 1, 0), None),
        ("water;ice", ChipClasses(LabelFormat(3), NAMES), (0, 1, 1), None),
        ("2.5", ChipValue(TargetFormat()), (), [2.5]),
        ("1", ChipValue(TargetFormat(-9, above=-1)), (), [1, np.log(2)]),
    ],
)
def test_a_check_counts_labels_of_chips(make_raster, label, form, counts, mean):
    chip = make_raster("chip.tif", np.ones((2, 3), np.int16))
    row = Row("chip.tif", str(chip), label, label_is_file=False)
    facts = inspect_row(row, InspectionSpec(ChipFormat(), form, 1))
    assert facts.class_counts == counts
    assert facts.target is None if mean is None else facts.target.mean.tolist() == pytest.approx(mean)


def test_a_chip_without_an_observation_or_with_the_ignored_label_is_told(make_raster):
    seen = make_raster("chip.tif", np.ones((2, 3), np.int16))
    row = Row("chip.tif", str(seen), "-1", label_is_file=False)
    with pytest.raises(DataError, match=r"-1: no label where .*chip\.tif has a valid observation"):
        inspect_row(row, InspectionSpec(ChipFormat(), ChipClass(LabelFormat(3)), 1))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "Input,Label\na.tif,land;ice\nb.tif,-\n"),
        ("t.json", '[{"Input": "a.tif", "Label": ["land", "ice"]}, {"Input": "b.tif", "Label": []}]'),
    ],
)
def test_tables_hold_labels_of_chips_themselves(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    rows = read_table(tmp_path / name, tmp_path, need_label=True, label_is_file=False)
    assert [row.label for row in rows] == ["land;ice", "-"]
    assert not rows[0].label_is_file


@pytest.mark.parametrize(("label", "told"), [("wet", True), ("0.25", True), ("wet.tif", False)])
def test_labels_of_chips_that_are_taken_for_files_are_told(make_raster, label, told):
    row = Row("chip.tif", str(make_raster("chip.tif", np.ones((2, 3), np.int16))), f"/none/{label}")
    with pytest.raises(InstaGeoError, match=f"^/none/{label}: no such file") as caught:
        inspect_row(row, InspectionSpec(ChipFormat(), LabelFormat(2), 1))
    assert ("; labels of chips themselves need dataloader.label_kind=chip" in str(caught.value)) == told
