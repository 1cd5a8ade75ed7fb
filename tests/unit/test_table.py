"""Tables are read completely, or refused with the position of the mistake."""

import csv
import json
from datetime import date

import pytest

from instageo.errors import TableError
from instageo.table import Row, read_table, write_table

RECORDS = [{"Input": "a/chip.tif", "Label": "a/label.tif"}, {"Input": "b/chip.tif", "Label": "b/label.tif"}]


def as_csv(records):
    columns = list(records[0])
    return "\n".join([",".join(columns), *(",".join(str(record[column]) for column in columns) for record in records)])


@pytest.fixture
def write(tmp_path):
    def write(name, text, encoding="utf-8"):
        (tmp_path / name).write_text(text, encoding=encoding)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.csv", as_csv(RECORDS)),
        ("train.CSV", as_csv(RECORDS) + "\n\n"),
        ("train.csv", as_csv([{"": 0, **record, "date": "2020-01-01"} for record in RECORDS])),
        ("train.csv", "Label , Input\n a/label.tif, a/chip.tif \nb/label.tif,b/chip.tif\n"),
        ("dataset.json", json.dumps(RECORDS)),  # pitfall 15
        ("dataset.json", json.dumps({"training": RECORDS})),
        ("dataset.json", json.dumps({"name": "floods", "count": 2, "training": RECORDS})),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_every_format_gives_the_same_rows(write, tmp_path, name, text, encoding):
    rows = read_table(write(name, text, encoding), tmp_path / "root", need_label=True)
    root = tmp_path / "root"
    assert rows == [
        Row(f"{name}/chip.tif", str(root / name / "chip.tif"), str(root / name / "label.tif")) for name in "ab"
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("test.csv", "Input\nchip.tif\n"),
        ("test.csv", "Input,Label\nchip.tif,\n"),
        ("test.csv", "Input,Label\nchip.tif\n"),
        ("test.csv", "Input,Label\nchip.tif,NaN\n"),
        ("test.json", '[{"Input": "chip.tif", "Label": null}]'),
        ("test.json", '[{"Input": "chip.tif", "Label": NaN}]'),
        ("test.json", '[{"Input": "chip.tif"}]'),
    ],
)
def test_rows_without_a_label(write, tmp_path, name, text):  # pitfall 7
    path = write(name, text)
    assert read_table(path, tmp_path, need_label=False) == [Row("chip.tif", str(tmp_path / "chip.tif"), None)]
    with pytest.raises(TableError, match="column 'Label'"):
        read_table(path, tmp_path, need_label=True)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("train.csv", "", "has no rows"),  # pitfall 15
        ("train.csv", "Input,Label\n", "has no rows"),
        ("train.csv", json.dumps(RECORDS), "no column 'Input'|has no rows"),
        ("train.csv", json.dumps(RECORDS, indent=1), "no column 'Input'"),
        ("train.csv", "Input;Label\na;b\n", r"no column 'Input'; found \['Input;Label'\]"),
        ("train.csv", "input,label\na,b\n", r"found \['input', 'label'\]"),
        ("train.csv", "Input,Label\na,b\n,c\n", "row 2 has no value in column 'Input'"),
        ("train.csv", "Input,Label\na,b\nc,\n", r"row 2 \(c\) has no value in column 'Label'"),
        ("train.csv", 'Input,Label\n"a' + "x" * 200_000, "cannot be read as CSV"),
        ("train.json", "", "cannot be read as JSON"),
        ("train.json", as_csv(RECORDS), "cannot be read as JSON"),
        ("train.json", "[]", "has no rows"),
        ("train.json", '{"training": []}', "has no rows"),
        ("train.json", '["a.tif"]', "expected a list of records"),
        ("train.json", '"a.tif"', "expected a list of records"),
        ("train.json", '{"Input": "a.tif"}', r"0 of the keys \['Input'\] hold records"),
        (
            "train.json",
            '{"training": [{}], "validation": [{}]}',
            r"2 of the keys \['training', 'validation'\] hold records",
        ),
        ("train.json", '[{"Input": "a"}]', r"no column 'Label'; found \['Input'\]"),
        (
            "train.txt",
            as_csv(RECORDS),
            r"the file name ends in '\.txt'; save the table as \.csv, \.json, \.parquet, \.pq$",
        ),
        ("train", as_csv(RECORDS), r"the file name ends in ''; save the table as \.csv, \.json, \.parquet, \.pq$"),
    ],
)
def test_malformed_tables_are_refused(write, tmp_path, name, text, words):
    path = write(name, text)
    with pytest.raises(TableError, match=words) as refusal:
        read_table(path, tmp_path, need_label=True)
    assert str(refusal.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["train.csv", "train.json"])
def test_other_encodings_are_refused(write, tmp_path, name):
    with pytest.raises(TableError, match=r"UTF-8|list of records"):
        read_table(write(name, as_csv(RECORDS), "utf-16"), tmp_path, need_label=True)


def test_a_table_may_be_named_relative_to_the_root(write, tmp_path, monkeypatch):
    write("train.csv", "Input\nchip.tif\n")
    assert len(read_table("train.csv", tmp_path, need_label=False)) == 1
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "train.csv").write_text("Input\nx.tif\ny.tif\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(read_table("train.csv", tmp_path, need_label=False)) == 2  # as given comes first


def test_a_missing_table_names_both_paths_that_were_tried(tmp_path):
    with pytest.raises(TableError, match=r"table 'none\.csv' does not exist; looked for .* and .*none\.csv"):
        read_table("none.csv", tmp_path, need_label=False)


def test_absolute_paths_are_kept(write, tmp_path):
    [row] = read_table(write("train.csv", "Input,Label\n/data/a.tif,l.tif\n"), tmp_path, need_label=True)
    assert (row.input, row.label) == ("/data/a.tif", str(tmp_path / "l.tif"))


def test_written_tables_can_be_read(tmp_path):
    written = [{"Input": "a, b.tif", "Label": "ä.tif"}, {"Input": 'c"d.tif', "Label": "e.tif"}]
    write_table(tmp_path / "new" / "train.csv", written)
    with open(tmp_path / "new" / "train.csv", newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == written
    rows = read_table(tmp_path / "new" / "train.csv", tmp_path, need_label=True)
    assert [row.name for row in rows] == ["a, b.tif", 'c"d.tif']


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ("2024-03-05", [(2024, 3, 5)]),
        ("2024-03-05;2024-06-12", [(2024, 3, 5), (2024, 6, 12)]),
        (" 2024-06-12 ; 2024-03-05 ;", [(2024, 6, 12), (2024, 3, 5)]),  # the order is that of the layers
        ("2024-03-05T23:59:59Z", [(2024, 3, 5)]),
        ("2024-03-05 00:00:00", [(2024, 3, 5)]),
        ("", []),
        ("nan", []),
    ],
)
@pytest.mark.parametrize("form", ["csv", "json"])
def test_dates_and_location_of_a_row(write, tmp_path, form, dates, expected):
    record = {"Input": "chip.tif", "dates": dates, "lat": -1.25, "lon": "36.5"}
    path = write(f"test.{form}", as_csv([record]) if form == "csv" else json.dumps([record]))
    [row] = read_table(path, tmp_path, need_label=False)
    assert row.dates == tuple(date(*day) for day in expected)
    assert row.lat_lon == (-1.25, 36.5)


def test_dates_as_a_list(write, tmp_path):
    texts = [["2024-03-05", "2024-06-12"], ["2024-03-05", None], []]
    path = write("test.json", json.dumps([{"Input": "chip.tif", "dates": dates} for dates in texts]))
    rows = read_table(path, tmp_path, need_label=False)
    assert [row.dates for row in rows] == [(date(2024, 3, 5), date(2024, 6, 12)), (), ()]


@pytest.mark.parametrize("record", [{}, {"lat": "", "lon": ""}, {"lat": None, "lon": float("nan"), "dates": None}])
def test_rows_without_dates_and_location(write, tmp_path, record):
    [row] = read_table(write("test.json", json.dumps([{"Input": "chip.tif", **record}])), tmp_path, need_label=False)
    assert (row.dates, row.lat_lon) == ((), None)


@pytest.mark.parametrize(("lat", "lon"), [(90, 180), (-90, -180), (0, 0)])
def test_extreme_coordinates_are_accepted(write, tmp_path, lat, lon):
    path = write("test.csv", f"Input,lat,lon\nchip.tif,{lat},{lon}\n")
    [row] = read_table(path, tmp_path, need_label=False)
    assert row.lat_lon == (lat, lon)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"dates": "5 March 2024"}, "dates=5 March 2024; expected ISO dates such as 2024-03-05;2024-06-12"),
        ({"dates": "2024-02-30"}, "dates=2024-02-30; expected ISO dates"),
        ({"dates": "2024-03-05;soon"}, "dates=2024-03-05;soon; expected ISO dates"),
        ({"lat": 91, "lon": 0}, r"lat=91 lon=0; expected degrees \(-90\.\.90, -180\.\.180\)"),
        ({"lat": 0, "lon": 180.5}, "lat=0 lon=180.5; expected degrees"),
        ({"lat": 500_000, "lon": 4_000_000}, "lat=500000 lon=4000000; expected degrees"),  # metres
        ({"lat": "36N", "lon": "81W"}, "lat=36N lon=81W; expected degrees"),
        ({"lat": 36, "lon": ""}, "lat=36 lon=; expected degrees"),
        ({"lat": "", "lon": 36}, "lat= lon=36; expected degrees"),
        ({"lat": "inf", "lon": 0}, "lat=inf lon=0; expected degrees"),
    ],
)
def test_malformed_dates_and_coordinates_are_refused(write, tmp_path, record, words):
    records = [{"Input": "a.tif", **dict.fromkeys(record, "")}, {"Input": "b.tif", **record}]
    with pytest.raises(TableError, match=rf"train\.csv: row 2 \(b\.tif\): {words}"):
        read_table(write("train.csv", as_csv(records)), tmp_path, need_label=False)


@pytest.mark.parametrize(
    ("need_label", "needed"), [(True, "the columns 'Input' and 'Label'"), (False, "the column 'Input'")]
)
def test_only_needed_columns_are_asked_for(tmp_path, need_label, needed):
    (tmp_path / "chips.csv").write_text("image,mask\na,b\n")
    with pytest.raises(TableError, match=f"no column 'Input'; .*; the first line must name {needed}$"):
        read_table(tmp_path / "chips.csv", tmp_path, need_label=need_label)


@pytest.mark.parametrize(
    ("header", "advice"),
    [
        ("Input,Lable", "column 'Lable' is not read; rename it to 'Label' if that is what it holds"),
        ("Input,label", "column 'label' is not read; rename it to 'Label' if that is what it holds"),
        ("Input,Label,date", "column 'date' is not read; rename it to 'dates' if that is what it holds"),
        ("Input,Label,Latitude", "column 'Latitude' is not read; rename it to 'lat' if that is what it holds"),
        ("Input,Label,dates,date", None),
        ("Input,Label,id,elevation", None),
    ],
)
def test_a_column_that_may_be_misnamed_is_told(tmp_path, caplog, header, advice):
    (tmp_path / "t.csv").write_text(
        f"{header}\n" + ",".join("a" if name[0] in "ILl" else "" for name in header.split(","))
    )
    read_table(tmp_path / "t.csv", tmp_path, need_label=False)
    assert caplog.messages == ([] if advice is None else [f"{tmp_path / 't.csv'}: {advice}"])
