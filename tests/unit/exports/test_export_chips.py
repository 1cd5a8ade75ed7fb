"""Rows for a comparison are spread over the whole table."""

from instageo.model.exports.export_chips import choose_rows
from instageo.table import Row


def test_rows_are_spread_evenly():
    rows = [Row(str(number), str(number), None) for number in range(101)]
    assert [row.name for row in choose_rows(rows, 5)] == ["0", "25", "50", "75", "100"]
    assert choose_rows(rows, 1000) == rows
    assert choose_rows(rows[:1], 5) == rows[:1]
