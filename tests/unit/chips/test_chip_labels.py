"""Image-level labels: a class, several classes or a value from the table itself."""

import numpy as np
import pytest

from instageo.errors import DataError, InstaGeoError
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.chip_labels import ChipClassFormat, ChipMultiLabelFormat, ChipValueFormat
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat
from instageo.model.inspection.row import InspectionSpec, inspect_row
from instageo.table import Row, read_table

NAMES = ("land", "water", "ice")


@pytest.mark.parametrize(
    ("text", "label_format", "expected"),
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
def test_a_class_is_given_by_name_or_by_number_as_in_files(text, label_format, expected):
    label = ChipClassFormat(label_format, NAMES).read(text)
    assert (label.shape, label.dtype, label[0, 0]) == ((1, 1), np.int64, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("water", [0, 1, 0]), ("0;ice", [1, 0, 1]), (" land ; 2 ;", [1, 0, 1]), ("-", [0, 0, 0]), ("-1", [-1, -1, -1])],
)
def test_several_classes_are_separated_by_semicolons(text, expected):
    label = ChipMultiLabelFormat(LabelFormat(3), NAMES).read(text)
    assert label.dtype == np.int64
    assert label[:, 0, 0].tolist() == expected
    assert label.shape == (3, 1, 1)


def test_a_value_or_the_ignored_value():
    value_format = ChipValueFormat(TargetFormat(-9999))
    assert value_format.read("1.5").tolist() == [[1.5]]
    assert not value_format.label_mask(value_format.read("-9999")).any()


@pytest.mark.parametrize(
    ("label_format", "text", "words"),
    [
        (
            ChipClassFormat(LabelFormat(3), NAMES),
            "wather",
            "neither the number nor the name of a class; expected one of land, water, ice",
        ),
        (ChipClassFormat(LabelFormat(3)), "water", "name classes with model.class_names"),
        (
            ChipClassFormat(LabelFormat(3)),
            "3",
            r"label 3: label values \[3\] are outside the classes 0\.\.2",
        ),  # pitfall 18
        (
            ChipClassFormat(LabelFormat(3)),
            "1.5",
            "fractional; expected whole class numbers, or is_reg_task=true for regression",
        ),
        (
            ChipClassFormat(LabelFormat(3), NAMES),
            "land;water",
            "; several classes per chip need .*label_kind=chip_multi",
        ),
        (ChipClassFormat(LabelFormat(3)), "labels/a.tif", "; labels that are files need dataloader.label_kind=raster"),
        (ChipValueFormat(TargetFormat()), "labels/a.tif", "; labels that are files need dataloader.label_kind=raster"),
        (ChipMultiLabelFormat(LabelFormat(3)), "0;7", r"\[7\] are outside"),
        (ChipValueFormat(TargetFormat()), "many", "label many is not a number; expected the value of the chip"),
        (ChipValueFormat(TargetFormat()), "inf", "infinite"),
        (ChipValueFormat(TargetFormat(lower_bound=-1)), "-2", "takes the logarithm of 1 . label"),
    ],
)
def test_text_that_is_not_a_label_raises_an_error(label_format, text, words):
    with pytest.raises(InstaGeoError, match=words):
        label_format.read(text)


@pytest.mark.parametrize(
    ("label", "label_format", "counts", "mean"),
    [
        ("water", ChipClassFormat(LabelFormat(3), NAMES), (0, 1, 0), None),
        ("water;ice", ChipMultiLabelFormat(LabelFormat(3), NAMES), (0, 1, 1), None),
        ("2.5", ChipValueFormat(TargetFormat()), (), [2.5]),
        ("1", ChipValueFormat(TargetFormat(-9, lower_bound=-1)), (), [1, np.log(2)]),
    ],
)
def test_inspection_counts_image_level_labels(make_raster, label, label_format, counts, mean):
    chip = make_raster("chip.tif", np.ones((2, 3), np.int16))
    row = Row("chip.tif", str(chip), label, label_is_file=False)
    stats = inspect_row(row, InspectionSpec(ChipFormat(), label_format))
    assert stats.class_counts == counts
    assert stats.label_moments is None if mean is None else stats.label_moments.mean.tolist() == pytest.approx(mean)


def test_a_chip_whose_label_is_ignored_raises_an_error(make_raster):
    chip = make_raster("chip.tif", np.ones((2, 3), np.int16))
    row = Row("chip.tif", str(chip), "-1", label_is_file=False)
    with pytest.raises(DataError, match=r"-1: no label where .*chip\.tif has a valid observation"):
        inspect_row(row, InspectionSpec(ChipFormat(), ChipClassFormat(LabelFormat(3))))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "Input,Label\na.tif,land;ice\nb.tif,-\n"),
        ("t.json", '[{"Input": "a.tif", "Label": ["land", "ice"]}, {"Input": "b.tif", "Label": []}]'),
    ],
)
def test_tables_contain_image_level_labels(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    rows = read_table(tmp_path / name, tmp_path, need_label=True, label_is_file=False)
    assert [row.label for row in rows] == ["land;ice", "-"]
    assert not rows[0].label_is_file


@pytest.mark.parametrize(("label", "hint"), [("wet", True), ("0.25", True), ("wet.tif", False)])
def test_image_level_labels_taken_for_files_give_a_hint(make_raster, label, hint):
    row = Row("chip.tif", str(make_raster("chip.tif", np.ones((2, 3), np.int16))), f"/none/{label}")
    with pytest.raises(InstaGeoError, match=f"^/none/{label}: no such file") as error:
        inspect_row(row, InspectionSpec(ChipFormat(), LabelFormat(2)))
    assert ("; image-level labels need dataloader.label_kind=chip" in str(error.value)) == hint
