"""Tables of points as people save them: separators, encodings, dates, places, labels, and every problem told."""

import json
from datetime import UTC, date, datetime

import pyarrow
import pytest
from pyarrow import parquet

from instageo.data.observations.points import TableFormat, read_points
from instageo.data.output.skipped import Reason, Skipped
from instageo.errors import ConfigError, TableError

DAY = datetime(2024, 5, 16, tzinfo=UTC)


@pytest.fixture
def table(tmp_path):
    """Function that writes a table and reads it."""

    def read(text, name="points.csv", encoding="utf-8", **layout):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return read_points(path, TableFormat(**layout))

    return read


@pytest.fixture
def refusal(table):
    """Function that returns the message of the error of a table."""

    def message(text, error=TableError, **options):
        with pytest.raises(error) as caught:
            table(text, **options)
        return str(caught.value)

    return message


def only(points):
    [observation] = points.observations
    return observation


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("lat,lon,date,label\n47.5,8.25,2024-05-16,1\n", "utf-8"),
        ("Latitude;Longitude;Date;Label\r\n47,5;8,25;2024-05-16;1\r\n", "utf-8-sig"),
        ("lat\tlon\tdate\tlabel\n47,5\t8,25\t2024-05-16\t1\n", "utf-16"),
        ('lat,lon,date,label\n"47,5","8,25",2024-05-16,1\n', "utf-8"),
        ("sep=;\nlat;lon;date;label\n47,5;8,25;2024-05-16;1\n;;;\n", "utf-8"),
        (" LAT , lng , Time , Class \n47.5 , 8.25 , 2024-05-16 , 1 \n", "utf-8"),
        ("y,x,date,label\n47.5,8.25,2024-05-16,1.0\n", "utf-8"),
    ],
)
def test_tables_of_spreadsheets_say_the_same(table, text, encoding):  # a CSV made by hand
    observation = only(table(text, encoding=encoding))
    place = observation.number, observation.latitude, observation.longitude
    assert (place, observation.time, observation.label) == ((1, 47.5, 8.25), DAY, 1)


def test_what_was_detected_is_told(table):
    points = table("lat;lon;date;label;Ort\n47,5;8,25;2024-05-16T10:15;1;Zürich\n;;;;\n", encoding="cp1252")
    told = "\n".join(points.notes)
    assert "read as Latin-1" in told
    assert "columns are separated by semicolons" in told
    assert "commas separate decimals" in told
    assert "1 row is empty and left out" in told
    assert "1 time without a time zone read as UTC" in told
    assert "labels are classes from 1 to 1" in told
    assert only(points).extra == {"Ort": "Zürich"}


def test_json_and_parquet_have_the_same_points_as_csv(table, tmp_path):
    record = {"lat": 47.5, "lon": 8.25, "date": "2024-05-16", "label": 1}
    assert only(table(json.dumps([record]), name="points.json")).time == DAY
    parquet.write_table(pyarrow.Table.from_pylist([record | {"date": date(2024, 5, 16)}]), tmp_path / "p.parquet")
    observation = only(read_points(tmp_path / "p.parquet"))
    assert (observation.latitude, observation.time, observation.label) == (47.5, DAY, 1)


def test_rows_of_other_files_are_refused_by_name(refusal):
    assert "expected one of .csv" in refusal(b"", name="points.xlsx")
    assert "save the sheet as CSV" in refusal(b"", name="points.xlsx")
    assert "no rows" in refusal("lat,lon,date\n")
    assert "quotation mark" in refusal('lat,lon,date\n1,"2,2024-01-01\n')


def test_cells_and_headers_of_any_size(table, refusal):
    assert only(table(f"lat,lon,date,{'c' * 200_000}\n1,2,2024-05-16,3\n")).extra == {"c" * 200_000: "3"}
    assert len(refusal(f"lat,lon,date\n{'9' * 200_000},2,2024-05-16\n")) < 300
    assert "the label is 1e+300, but" in refusal("lat,lon,date,label\n1,2,2024-05-16,1e300\n")
    assert "the label is 123456, but" in refusal("lat,lon,date,label\n1,2,2024-05-16,123456\n")


def test_missing_and_ambiguous_columns_are_told_with_near_names(refusal):
    assert "no column 'date'; found lat, lon, dat;" in refusal("lat,lon,dat\n1,2,2024-05-16\n")
    assert "did you mean" not in refusal("Breite,Laenge,Datum\n1,2,2024-05-16\n")
    assert "did you mean dat?" in refusal("lat,lon,dat\n1,2,2024-05-16\n")
    assert "lng and longitude could both be 'lon'" in refusal("lat,lng,longitude,date\n1,2,3,2024-05-16\n")
    assert "the column 'lat' occurs twice" in refusal("lat,lat,lon,date\n1,1,2,2024-05-16\n")


def test_exact_names_are_preferred(table):
    observation = only(table("lat,lon,date,time,label,class\n1,2,2024-05-16,10:00,1,wheat\n"))
    assert (observation.time, observation.extra) == (DAY, {"time": "10:00", "class": "wheat"})


def test_x_and_y_are_coordinates_of_the_reference_system(table, refusal):
    text = "x,y,date\n500000,0,2024-05-16\n"  # where the central meridian of zone 32 crosses the equator
    observation = only(table(text, crs="EPSG:32632"))
    assert (observation.longitude, observation.latitude) == (pytest.approx(9), pytest.approx(0))
    assert "metres need --crs" in refusal(text)
    assert "lat and lon are degrees" in "".join(table("lat,lon,date\n1,2,2024-05-16\n", crs="EPSG:32632").notes)


def test_all_problems_of_a_table_are_listed_with_their_rows(refusal):  # pitfall 49
    message = refusal(
        "lat;lon;date;label\n"
        "8,25;147,5;2024-05-16;1\n"
        "95;8,25;2024-05-16;1\n"
        "47,5;8,25;03/04/2021;1\n"
        "47,5;8,25;25/04/2021;1\n"
        "47,5;8,25;45428;1\n"
        "47,5;;2024-05-16;1\n"
        "47,5;inf;2024-05-16;1\n"
        "47,5;8,25;;\n"
        "47,5;400;2024-05-16;1\n"
        "47,5;8 E;soon;1\n"
    )
    lines = message.splitlines()
    assert "11 problems (rows are counted from 1, without the header)" in lines[0]
    assert [line.strip() for line in lines[1:]] == [
        "row 2: lat=95 is beyond ±90; lat and lon look exchanged",
        "row 3: date is '03/04/2021', which may be 2021-04-03 or 2021-03-04; pass --date-format %d/%m/%Y or %m/%d/%Y",
        "row 4: date is '25/04/2021', which is not an ISO date; pass --date-format %d/%m/%Y",
        "row 5: date is '45428', a day number of a spreadsheet (2024-05-16?); pass --date-format spreadsheet, "
        "or write ISO dates",
        "row 6: lon is empty",
        "row 7: lon is inf, which is not finite",
        "row 8: date is empty",
        "row 8: the label is empty; remove the row, or write -1 for a place that is not to be labelled",
        "row 9: lat=47.5 lon=400; expected degrees (-90..90, -180..180); metres need --crs and columns x and y",
        "row 10: date is 'soon', which is not an ISO date such as 2024-05-16 or 2024-05-16T10:15:00Z",
        "and 1 other problem",
    ]


def test_exchanged_coordinates_are_recognised(refusal):  # pitfall 45
    assert "row 1: lat=147.5 is beyond ±90; lat and lon look exchanged" in refusal(
        "lat,lon,date\n147.5,-35,2024-05-16\n"
    )


def test_cells_beyond_the_header_are_refused(refusal):
    message = refusal("lat,lon,date\n47,5,8,25,2024-05-16\n")
    assert "row 1: has 5 cells, but the header names 3 columns; put numbers with decimal commas in quotes" in message


@pytest.mark.parametrize(
    ("text", "date_format", "expected"),
    [
        ("2024-05-16", None, DAY),
        ("20240516", None, DAY),
        ("2024-05-16T12:15:00+02:00", None, datetime(2024, 5, 16, 10, 15, tzinfo=UTC)),
        ("2024-05-15T23:30:00-01:00", None, datetime(2024, 5, 16, 0, 30, tzinfo=UTC)),
        ("2024-05-16 10:15", None, datetime(2024, 5, 16, 10, 15, tzinfo=UTC)),
        ("16.05.2024", "%d.%m.%Y", DAY),
        ("05/16/2024", "%m/%d/%Y", DAY),
        ("45428", "spreadsheet", DAY),
        ("45428.5", "spreadsheet", datetime(2024, 5, 16, 12, tzinfo=UTC)),
    ],
)
def test_dates_are_iso_or_of_the_format_that_was_passed(table, text, date_format, expected):  # pitfalls 48, 49
    assert only(table(f"lat,lon,date\n1,2,{text}\n", date_format=date_format)).time == expected


def test_a_format_without_fields_is_refused(refusal):
    assert "write it as %d/%m/%Y" in refusal("lat,lon,date\n1,2,x\n", error=ConfigError, date_format="dd/mm/yyyy")
    assert "not in the format %d/%m/%Y" in refusal("lat,lon,date\n1,2,2024-05-16\n", date_format="%d/%m/%Y")
    assert "which is not an ISO date" in refusal("lat,lon,date\n1,2,0001-01-01T00:00:00+05:00\n")  # year 0 in UTC


def test_decimal_separators_are_never_guessed_against_the_table(table, refusal):
    assert only(table("lat;lon;date\n47,5;8;2024-05-16\n", decimal=",")).latitude == 47.5
    assert "pass --decimal ," in refusal("lat;lon;date\n47.5;8,25;2024-05-16\n")
    assert "pass --decimal ," in refusal("lat;lon;date\n47,5;8;2024-05-16\n", decimal=".")
    message = refusal("y;x;date\n4,000;740,526;2024-05-16\n", crs="EPSG:32632")
    assert "may separate decimals or thousands" in message


def test_longitudes_beyond_180_are_those_of_the_west(table):  # pitfall 44
    assert only(table("lat,lon,date\n1,190,2024-05-16\n")).longitude == -170


def test_rows_that_repeat_a_point_are_skipped_with_the_row_they_repeat(table):
    row = "47.5,8.25,2024-05-16"
    points = table(f"lat,lon,date,label\n{row},1\n{row},0\n{row},1.0\n47.50,8.250,2024-05-16T00:00Z,1\n")
    assert [observation.number for observation in points.observations] == [1, 2]
    detail = "same place, time and label as row 1"
    assert points.skipped == (Skipped(3, Reason.DUPLICATE, detail), Skipped(4, Reason.DUPLICATE, detail))
    assert [(row.number, row.latitude, row.text) for row in points.repeated] == [(3, 47.5, "1.0"), (4, 47.5, "1")]


@pytest.mark.parametrize(
    ("labels", "label_type", "classes"),
    [
        (["0", "1", "-1"], "auto", True),
        (["0", "1.5"], "auto", False),
        (["0", "1"], "value", False),
        (["-5.5", "1e3"], "auto", False),
        (["32767"], "class", True),
    ],
)
def test_whole_numbers_are_classes_unless_told_otherwise(table, labels, label_type, classes):
    rows = "".join(f"1,{number},2024-05-16,{label}\n" for number, label in enumerate(labels))
    points = table(f"lat,lon,date,label\n{rows}", label_type=label_type)
    assert points.classes is classes
    assert [observation.label for observation in points.observations] == [float(label) for label in labels]


@pytest.mark.parametrize(
    ("label", "label_type", "problem"),
    [
        ("-2", "auto", "the label is -2, but classes are 0 to 32767, or -1 to ignore a place; pass --label-type value"),
        ("32768", "class", "the label is 32768, but classes are 0 to 32767"),
        ("1.5", "class", "the label is 1.5, but classes are whole numbers; pass --label-type value"),
        ("-9999", "value", "means no-data"),
        ("1e39", "value", "float32 cannot hold"),
        (
            "wheat",
            "auto",
            "the label is 'wheat', which is not a number; write classes as 0, 1, 2, … or pass --class-map",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused(refusal, label, label_type, problem):  # pitfall 65
    message = refusal(f"lat,lon,date,label\n1,2,2024-05-16,{label}\n", label_type=label_type)
    assert "row 1: the label is" in message
    assert problem in message


def test_texts_are_labels_of_whole_chips(table):
    points = table("lat,lon,date,label\n1,2,2024-05-16,3;5\n1,3,2024-05-16,4\n", label_type="text")
    assert [(observation.label, observation.text) for observation in points.observations] == [(None, "3;5"), (4, "4")]


def test_a_class_map_gives_names_their_classes(table, refusal):
    text = "lat,lon,date,label\n1,2,2024-05-16,wheat\n1,3,2024-05-16,rye\n"
    points = table(text, class_map={"wheat": 0, "rye": 4})
    assert [observation.label for observation in points.observations] == [0, 4]
    assert "row 2: the label is 'rye', which is not in the class map" in refusal(text, class_map={"wheat": 0})


def test_tables_without_labels_have_none(table):
    points = table("lat,lon,date\n1,2,2024-05-16\n")
    assert (only(points).label, points.has_labels) == (None, False)
