"""Tables split as a whole: what the issue of honest splits asks for, checked by another implementation."""

import json
import re
from datetime import date
from itertools import combinations

import pytest

from instageo.data import SplitSettings, split_table, verify_split
from instageo.errors import ConfigError, DataError, RunFolderError, TableError
from tests.split_tables import CHIP_KM, chip_rows, clustered, dense, least_gap_km, read_rows, write_rows

PARTS = ("train", "val", "test")


def split(table, folder, **options):
    [report] = split_table(SplitSettings((str(table),), output=str(folder), figure=False, **options))
    return report


def parts_of(folder):
    return {name: read_rows(folder / f"{name}.csv") for name in PARTS}


def owners(folder):
    return {row["Input"]: name for name, rows in parts_of(folder).items() for row in rows}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write_rows(folder / "clustered.csv", chip_rows(clustered(20_000)))
    write_rows(folder / "dense.csv", chip_rows(dense(20_000)))
    write_rows(folder / "small.csv", chip_rows(clustered(600)))
    return folder


@pytest.mark.slow
def test_distance_keeps_clusters_apart_without_dropping(tables, tmp_path):
    report = split(tables / "clustered.csv", tmp_path / "a", by="distance", buffer_km=10, chip_km=CHIP_KM)
    parts = parts_of(tmp_path / "a")
    for first, second in combinations(PARTS, 2):
        assert least_gap_km(parts[first], parts[second]) >= 10 - 1e-6
    for name, share in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
        assert len(parts[name]) / 20_000 == pytest.approx(share, abs=0.01)
    assert report.dropped == {}
    assert report.holds
    split(tables / "clustered.csv", tmp_path / "b", by="distance", buffer_km=10, chip_km=CHIP_KM)
    for name in ("train.csv", "val.csv", "test.csv", "dropped.csv", "split.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.slow
def test_distance_of_chips_all_over_is_refused_and_blocks_drop_few(tables, tmp_path):
    with pytest.raises(DataError, match=r"20000 of 20000 chips are linked .*; use --by blocks --buffer-km 10"):
        split(tables / "dense.csv", tmp_path / "a", by="distance", buffer_km=10, chip_km=CHIP_KM)
    assert not (tmp_path / "a").exists()
    report = split(tables / "dense.csv", tmp_path / "b", by="blocks", buffer_km=10, chip_km=CHIP_KM)
    assert sum(report.dropped.values()) <= 0.25 * 20_000
    parts = parts_of(tmp_path / "b")
    for first, second in combinations(PARTS, 2):
        assert least_gap_km(parts[first], parts[second]) >= 10 - 1e-6
    dropped = read_rows(tmp_path / "b" / "dropped.csv")
    assert {row["dropped_from"] for row in dropped} == {"train", "val"}  # test is the greatest part and loses none


@pytest.mark.parametrize("by", ["random", "blocks", "group"])
def test_stable_splits_move_no_chip_when_rows_are_added(tables, tmp_path, by):
    options = {"by": by, "stable": True, "chip_km": CHIP_KM, "column": ("event",) if by == "group" else ()}
    rows = chip_rows(clustered(600))
    split(write_rows(tmp_path / "first.csv", rows), tmp_path / "a", **options)
    more = chip_rows(clustered(100, seed=5), first=600)
    split(write_rows(tmp_path / "second.csv", more + rows[::-1]), tmp_path / "b", **options)
    before, after = owners(tmp_path / "a"), owners(tmp_path / "b")
    assert len(before) == 600
    assert len(after) == 700
    assert {chip: after[chip] for chip in before} == before


def test_time_leaves_a_gap(tables, tmp_path):
    report = split(tables / "small.csv", tmp_path, by="time", gap_days=30, chip_km=CHIP_KM)
    parts = {name: sorted(row["dates"] for row in rows) for name, rows in parts_of(tmp_path).items()}
    for first, second in (("train", "val"), ("val", "test")):
        gap = date.fromisoformat(parts[second][0]) - date.fromisoformat(parts[first][-1])
        assert gap.days >= 30
    assert [item.holds for item in report.guarantees if item.name.startswith("gap")] == [True, True]


def test_a_random_split_says_that_chips_overlap(tables, tmp_path):
    report = split(tables / "small.csv", tmp_path, by="random", chip_km=CHIP_KM)
    assert {name: report.parts[name] for name in PARTS} == {"train": 420, "val": 90, "test": 90}
    [note] = [note for note in report.notes if "may overlap" in note]
    assert re.match(r"chips of different parts may overlap \(\d\d of val with train, \d\d of test with train, ", note)


def test_every_column_is_kept_and_paths_hold_from_the_new_folder(tmp_path):
    rows = [{**row, "Label": f"labels/{k}.tif", "who": "Zoë, A."} for k, row in enumerate(chip_rows(clustered(100)))]
    rows[0]["Input"], rows[1]["Input"] = "s3://bucket/a.tif", "/data/b.tif"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "settings.json").write_text('{"label": {"kind": "raster"}}')
    table = write_rows(tmp_path / "data" / "chips.csv", rows)
    split(table, tmp_path / "splits" / "a", by="random", chip_km=0)
    written = [row for part in parts_of(tmp_path / "splits" / "a").values() for row in part]
    assert {tuple(row) for row in written} == {tuple(rows[0])}
    inputs = {row["Input"] for row in written}
    assert {"s3://bucket/a.tif", "/data/b.tif", "../../data/chips/chip_000002.tif"} < inputs
    assert {row["Label"] for row in written} == {f"../../data/labels/{k}.tif" for k in range(100)}
    assert {row["who"] for row in written} == {"Zoë, A."}
    assert (tmp_path / "splits" / "a" / "settings.json").read_text() == '{"label": {"kind": "raster"}}'
    split(table, tmp_path / "splits" / "b", by="random", chip_km=0, root_dir=str(tmp_path / "data"))
    assert "chips/chip_000002.tif" in owners(tmp_path / "splits" / "b")
    assert all(
        item.holds is not False for item in verify_split(SplitSettings((str(tmp_path / "splits/b"),), verify=True))
    )


def test_tables_that_no_split_wrote_are_not_replaced(tables, tmp_path):
    write_rows(tmp_path / "val.csv", chip_rows(clustered(50)))
    with pytest.raises(RunFolderError, match=r"val\.csv: exists and was not written by a split; choose another folder"):
        split(tables / "small.csv", tmp_path, by="random", chip_km=0)
    with pytest.raises(RunFolderError, match=r"val\.csv: is the table that is to be split"):
        split(tmp_path / "val.csv", tmp_path, by="random", chip_km=0, overwrite=True)
    split(tables / "small.csv", tmp_path, by="random", chip_km=0, overwrite=True)
    split(tables / "small.csv", tmp_path, by="random", chip_km=0, seed=2)  # its own tables are


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"by": None}, ConfigError, "by is not set; choose one of random, stratified, blocks"),
        ({"by": "block"}, ConfigError, "by=block is unknown; choose one of .*; did you mean blocks"),
        ({"by": "group"}, ConfigError, "--by group needs the columns of the groups"),
        ({"by": "group", "column": ("evnt",)}, TableError, "no column 'evnt'; found Input, Label, dates"),
        ({"by": "region"}, ConfigError, "--by region needs --column NAME, a column with regions, or --regions FILE"),
        ({"by": "lists"}, ConfigError, "--by lists needs --lists DIR"),
        ({"by": "distance"}, ConfigError, "buffer_km=0.0 does not work; expected the distance that parts are to have"),
        ({"by": "clusters", "stable": True}, ConfigError, "stable does not work with clusters"),
        ({"by": "clusters", "clusters": 5000}, DataError, "600 different places cannot form 5000 clusters"),
        ({"by": "blocks", "block_km": 40_000}, DataError, "1 block cannot fill 3 parts; use smaller ones"),
        ({"by": "random", "shares": (1.0,)}, ConfigError, "shares='1' does not work; expected two or three numbers"),
        ({"by": "random", "shares": (70.0, float("nan"))}, ConfigError, "shares='70,nan' does not work"),
        ({"by": "random", "buffer_km": 2000}, DataError, "no row is left in (train|val) after dropping rows"),
        ({"by": "kfold", "gap_days": 3}, ConfigError, "gap_days and until do not work with kfold"),
        ({"by": "time", "until": ("2020-13-01",)}, ConfigError, "until=2020-13-01 does not work"),
        ({"by": "time", "until": ("2020-12-01",)}, ConfigError, "each part but the last, 2 in all"),
    ],
)  # fmt: skip
def test_what_does_not_work_is_one_sentence(tables, tmp_path, options, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        split(tables / "small.csv", tmp_path, **{"chip_km": CHIP_KM, **options})
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_tables_without_places_say_what_to_do(tmp_path):
    rows = [{"Input": f"{k}.tif", "Label": k % 2} for k in range(30)]
    table = write_rows(tmp_path / "chips.csv", rows)
    with pytest.raises(DataError, match=r"--by blocks needs to know where chips lie, but .* add the columns"):
        split(table, tmp_path / "a", by="blocks")
    with pytest.raises(DataError, match=r"--buffer-km needs to know where chips lie"):
        split(table, tmp_path / "a", by="random", buffer_km=1)
    report = split(table, tmp_path / "a", by="stratified", shares=(50.0, 50.0))
    assert report.classes["train"] == {"0": 0.533333, "1": 0.466667}
    assert report.parts == {"train": 15, "val": 15}
    assert report.holds


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("lat", "95", r"row 3: lat=95 lon=.*; expected degrees"),
        ("lon", "east", r"row 3: lat=.* lon=east; expected degrees"),
        ("Input", "", r"row 3 has no value in column 'Input'"),
    ],
)
def test_rows_that_are_wrong_are_named(tmp_path, column, value, sentence):
    rows = chip_rows(clustered(100))
    rows[2][column] = value
    with pytest.raises(TableError, match=sentence):
        split(write_rows(tmp_path / "chips.csv", rows), tmp_path / "a", by="random", chip_km=0)


def test_each_region_is_left_out_once(tables, tmp_path):
    options = {"by": "region", "over": "blocks", "chip_km": CHIP_KM, "buffer_km": 2.0, "figure": False}
    south = [[-30, -40], [60, -40], [60, 0], [-30, 0], [-30, -40]]
    north = [[-30, 0], [60, 0], [60, 40], [-30, 40], [-30, 0]]
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for name, ring in (("South", south), ("North", north))
    ]
    polygons = tmp_path / "halves.geojson"
    polygons.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    table = str(tables / "small.csv")
    reports = split_table(SplitSettings((table,), output=str(tmp_path / "a"), regions=str(polygons), **options))
    assert [report.folder.name for report in reports] == ["region_North", "region_South"]
    test = read_rows(tmp_path / "a" / "region_North" / "test.csv")
    assert all(float(row["lat"]) > 0 for row in test)
    assert len(test) + len(read_rows(tmp_path / "a" / "region_South" / "test.csv")) == 600
    reports = split_table(
        SplitSettings((table,), output=str(tmp_path / "b"), column=("event",), **options | {"buffer_km": 0.0})
    )
    assert len(reports) == 11
    for report in reports:
        [event] = {row["event"] for row in read_rows(report.folder / "test.csv")}
        rest = read_rows(report.folder / "train.csv") + read_rows(report.folder / "val.csv")
        assert event not in {row["event"] for row in rest}
        assert len(rest) == 600 - report.parts["test"]
    verified = verify_split(SplitSettings((str(tmp_path / "b"),), verify=True))
    assert sum(item.name.endswith("regions of test (event)") and item.holds is True for item in verified) == 11
