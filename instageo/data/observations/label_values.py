"""Labels in the cells of tables: classes, values or texts."""

from collections.abc import Mapping, Sequence

from instageo.data.observations.numbers import parse_number
from instageo.data.observations.problems import Problems
from instageo.table import cell_text

IGNORED_CLASS, MOST_CLASS = -1, 32_767
NO_VALUE, MOST_VALUE = -9999.0, 3.4e38

Cells = Sequence[tuple[int, object]]
"""Row number and cell."""


def parse_labels(
    cells: Cells, label_type: str, decimal: str, class_map: Mapping[str, int], problems: Problems
) -> tuple[list[float | None], bool]:
    """Return the labels of a table, and whether they are classes; None for cells with a problem, and for texts.

    Args:
        cells: Row numbers and cells.
        label_type: `class`, `value`, `text`, or `auto`: classes if all labels are whole numbers.
        decimal: Decimal separator.
        class_map: Class of each label that the table writes otherwise; if there are any, all labels must be in it.
        problems: Receives what is wrong.
    """
    if label_type == "text":
        return [_check_text(number, value, problems) for number, value in cells], False
    labels: list[float | None] = []
    for number, value in cells:
        try:
            labels.append(_mapped(value, class_map) if class_map else parse_number(value, decimal))
        except ValueError as error:
            labels.append(None)
            problems.add(number, f"the label {error}{'' if class_map else _advice(value)}")
    numbers = [label for label in labels if label is not None]
    is_class = label_type == "class" or (label_type == "auto" and all(label.is_integer() for label in numbers))
    check = _class_problem if is_class else _value_problem
    for (number, _), label in zip(cells, labels, strict=True):
        if label is not None and (sentence := check(label, label_type)):
            problems.add(number, sentence)
    return labels, is_class


def _mapped(value: object, class_map: Mapping[str, int]) -> float:
    text = cell_text(value)
    if text not in class_map:
        raise ValueError(f"is '{text[:40]}', which is not in the class map" if text else "is empty")
    return float(class_map[text])


def _advice(value: object) -> str:
    if not cell_text(value):
        return f"; remove the row, or write {IGNORED_CLASS} for a place that is not to be labelled"
    if any(letter.isalpha() for letter in cell_text(value)):
        return "; write classes as 0, 1, 2, … or pass --class-map"
    return ""


def _check_text(number: int, value: object, problems: Problems) -> float | None:
    text = cell_text(value)
    if not text:
        problems.add(number, "the label is empty")
        return None
    try:
        return parse_number(value, ".")
    except ValueError:
        return None


def _class_problem(label: float, label_type: str) -> str:
    if not label.is_integer():
        return f"the label is {label:g}, but classes are whole numbers; pass --label-type value for measured values"
    if IGNORED_CLASS <= label <= MOST_CLASS:
        return ""
    advice = "; pass --label-type value for measured values" if label_type == "auto" else ""
    return f"the label is {label:.10g}, but classes are 0 to {MOST_CLASS}, or {IGNORED_CLASS} to ignore a place{advice}"


def _value_problem(label: float, _: str) -> str:
    if label == NO_VALUE:
        return f"the label is {NO_VALUE:g}, which means no-data in label maps; remove the row"
    return "" if abs(label) <= MOST_VALUE else f"the label is {label:g}, which float32 cannot hold"
