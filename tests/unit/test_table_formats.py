"""Parquet tables hold the same rows as CSV and JSON, dates as text, days, times or lists of them."""

import sys
from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow
import pytest
from pyarrow import parquet

from instageo.errors import MissingExtraError, TableError
from instageo.table import Row, read_table

DAY, LATER = date(2024, 3, 5), date(2024, 6, 12)


@pytest.fixture
def write(tmp_path):
    def write(columns, name="train.parquet"):
        parquet.write_table(pyarrow.table(columns), tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["train.parquet", "train.PQ"])
def test_parquet_gives_the_same_rows(write, tmp_path, name):
    path = write({"Input": ["a.tif", "b.tif"], "Label": ["c.tif", "d.tif"], "cloud": [0.5, None]}, name)
    assert read_table(path, tmp_path, need_label=True) == [
        Row("a.tif", str(tmp_path / "a.tif"), str(tmp_path / "c.tif")),
        Row("b.tif", str(tmp_path / "b.tif"), str(tmp_path / "d.tif")),
    ]


@pytest.mark.parametrize("kind", [pyarrow.string(), pyarrow.large_string(), pyarrow.binary()])
def test_every_type_of_text_is_read(write, tmp_path, kind):
    texts = pyarrow.array(["ä.tif"]).cast(kind)
    [row] = read_table(
        write({"Input": texts, "Label": texts.cast(pyarrow.string()).dictionary_encode()}), "/", need_label=True
    )
    assert (row.input, row.label) == ("/ä.tif", "/ä.tif")


@pytest.mark.parametrize("label", [None, "", "nan"])
def test_rows_without_a_label(write, tmp_path, label):  # pitfall 7
    path = write({"Input": ["a.tif"], "Label": pyarrow.array([label], pyarrow.string())})
    [row] = read_table(path, tmp_path, need_label=False)
    assert row.label is None
    with pytest.raises(TableError, match="has no value in column 'Label'"):
        read_table(path, tmp_path, need_label=True)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_missing_numbers_count_as_absent(write, tmp_path, missing):
    columns = {name: pyarrow.array([missing], pyarrow.float64()) for name in ("Label", "dates", "lat", "lon")}
    [row] = read_table(write({"Input": ["a.tif"], **columns}), tmp_path, need_label=False)
    assert (row.label, row.dates, row.lat_lon) == (None, (), None)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("2024-03-05;2024-06-12", pyarrow.string(), (DAY, LATER)),
        (DAY, pyarrow.date32(), (DAY,)),
        (datetime(2024, 3, 5, 23, 59, 59, 123456), pyarrow.timestamp("us"), (DAY,)),
        (datetime(2024, 3, 5, 10), pyarrow.timestamp("ns"), (DAY,)),
        (datetime(2024, 3, 5, 23, tzinfo=UTC), pyarrow.timestamp("ms", tz="UTC"), (DAY,)),
        (datetime(2024, 3, 5, 23, tzinfo=timezone(timedelta(hours=2))), pyarrow.timestamp("s", tz="+02:00"), (DAY,)),
        ([DAY, LATER], pyarrow.list_(pyarrow.date32()), (DAY, LATER)),
        ([datetime(2024, 3, 5, 10), datetime(2024, 6, 12)], pyarrow.list_(pyarrow.timestamp("us")), (DAY, LATER)),
        (["2024-03-05", "2024-06-12"], pyarrow.large_list(pyarrow.string()), (DAY, LATER)),
        ([DAY, None], pyarrow.list_(pyarrow.date32()), ()),  # a list with a gap counts as unknown
        ([], pyarrow.list_(pyarrow.date32()), ()),
        (None, pyarrow.timestamp("us"), ()),
    ],
)
def test_every_type_of_dates_is_read(write, tmp_path, value, kind, expected):
    path = write({"Input": ["a.tif"], "dates": pyarrow.array([value], kind), "lat": [1.5], "lon": [-2]})
    [row] = read_table(path, tmp_path, need_label=False)
    assert (row.dates, row.lat_lon) == (expected, (1.5, -2.0))


def test_malformed_tables_are_refused(write, tmp_path):
    empty = write({"Input": pyarrow.array([], pyarrow.string())})
    with pytest.raises(TableError, match="the table has no rows; expected at least one chip"):  # pitfall 15
        read_table(empty, tmp_path, need_label=False)
    with pytest.raises(TableError, match=r"no column 'Input'; found \['chip'\]"):
        read_table(write({"chip": ["a.tif"]}), tmp_path, need_label=False)
    with pytest.raises(TableError, match=r"dates=20240305; expected ISO|dates=3; expected ISO"):
        read_table(write({"Input": ["a.tif"], "dates": [3]}), tmp_path, need_label=False)
    (tmp_path / "text.parquet").write_text("Input,Label\na,b\n")
    with pytest.raises(
        TableError, match=r"text\.parquet: cannot be read as Parquet \(.+\); expected a Parquet file"
    ) as refusal:
        read_table(tmp_path / "text.parquet", tmp_path, need_label=False)
    assert "\n" not in str(refusal.value)


def test_the_missing_package_is_named_with_its_extra(write, tmp_path, monkeypatch):  # pitfall 37
    path = write({"Input": ["a.tif"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'instageo-model\[data\]', or save the table as CSV"):
        read_table(path, tmp_path, need_label=False)
