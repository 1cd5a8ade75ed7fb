"""Splits that are verified, and those that do not pass."""

import json
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from instageo.cli import app
from instageo.data.data_splitter import main
from tests.split_tables import CHIP_KM, chip_rows, clustered, read_rows, write_rows


def instageo(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in ("split", *arguments)])


@pytest.fixture
def folder(tmp_path):
    table = write_rows(tmp_path / "chips.csv", chip_rows(clustered(600)))
    result = instageo(table, "--by", "blocks", "--buffer-km", 10, "--chip-km", CHIP_KM, "--output", tmp_path / "parts")
    assert result.exit_code == 0, result.output
    return tmp_path / "parts"


def tables(folder):
    return [folder / f"{name}.csv" for name in ("test", "train", "val")]


def test_what_was_written_is_verified(folder):
    result = instageo("--verify", *tables(folder))
    assert result.exit_code == 0
    assert "10 of 10 guarantees hold" in result.output
    assert instageo("--verify", folder).output.count("holds") == 10
    assert {path.name for path in folder.iterdir()} == {
        "train.csv", "val.csv", "test.csv", "dropped.csv", "split.json", "split.png",
    }  # fmt: skip


def move(folder, change):
    """Change the rows of train and val, and write them again."""
    train, val = read_rows(folder / "train.csv"), read_rows(folder / "val.csv")
    change(train, val)
    write_rows(folder / "train.csv", train)
    write_rows(folder / "val.csv", val)


CHANGES = {
    "moved": lambda train, val: val.append(train.pop()),
    "copied": lambda train, val: val.append(train[0]),
    "elsewhere": lambda train, val: val[0].update(lat=train[0]["lat"], lon=train[0]["lon"]),
    "removed": lambda train, val: train.pop(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_one_chip_that_was_moved_is_found(folder, change):
    move(folder, CHANGES[change])
    result = instageo("--verify", *tables(folder))
    assert result.exit_code == 1
    assert "does not hold" in result.output
    if change in ("copied", "elsewhere"):
        (folder / "split.json").unlink()
        assert instageo("--verify", *tables(folder), "--buffer-km", 10, "--chip-km", CHIP_KM).exit_code == 1


def test_tables_of_anybody_are_verified_by_options(tmp_path):
    for name, event, day in (("a", "x", "2020-01-01"), ("b", "y", "2020-01-31")):
        write_rows(
            tmp_path / f"{name}.csv", [{"Input": f"{name}.tif", "dates": day, "event": event, "lat": 0, "lon": 0}]
        )
    pair = tmp_path / "a.csv", tmp_path / "b.csv"
    assert instageo("--verify", *pair, "--column", "event", "--gap-days", 30).exit_code == 0
    assert instageo("--verify", *pair, "--gap-days", 31).exit_code == 1
    assert instageo("--verify", *pair, "--column", "lat").exit_code == 1
    assert instageo("--verify", *pair, "--buffer-km", 1).exit_code == 1
    assert "0.000 km (a.tif, b.tif)" in instageo("--verify", *pair).output
    assert "1 chip of b may overlap a, such as b.tif with a.tif" in instageo("--verify", *pair, "--chip-km", 1).output


def test_the_same_file_under_two_names_is_found(tmp_path):
    for name, content in (("a", b"1" * 70_000), ("b", b"1" * 70_000), ("c", b"1" * 69_999 + b"2")):
        (tmp_path / f"{name}.tif").write_bytes(content)
        write_rows(tmp_path / f"{name}.csv", [{"Input": f"{name}.tif"}])
    assert instageo("--verify", tmp_path / "a.csv", tmp_path / "c.csv").exit_code == 0
    result = instageo("--verify", tmp_path / "a.csv", tmp_path / "b.csv")
    assert result.exit_code == 1
    assert "1 chip has the same content" in result.output


def test_a_chip_in_both_tables_is_found_under_another_path(tmp_path):
    (tmp_path / "other").mkdir()
    write_rows(tmp_path / "train.csv", [{"Input": "x.tif"}])
    write_rows(tmp_path / "other" / "val.csv", [{"Input": "../x.tif"}])
    result = instageo("--verify", tmp_path / "train.csv", tmp_path / "other" / "val.csv")
    assert result.exit_code == 1
    assert "1 chip is in both" in result.output


def test_folds_are_verified_together(tmp_path):
    table = write_rows(tmp_path / "chips.csv", chip_rows(clustered(300)))
    arguments = ["--by", "kfold", "--folds", 3, "--over", "group", "--column", "event", "--chip-km", 0, "--no-figure"]
    assert instageo(table, *arguments, "--output", tmp_path / "cv").exit_code == 0
    result = instageo("--verify", tmp_path / "cv")
    assert result.exit_code == 0
    tested = [row["Input"] for k in (1, 2, 3) for row in read_rows(tmp_path / "cv" / f"fold_{k}" / "test.csv")]
    assert len(tested) == len(set(tested)) == 300
    write_rows(tmp_path / "cv" / "fold_1" / "test.csv", read_rows(tmp_path / "cv" / "fold_2" / "test.csv"))
    assert "test parts of all folds" in instageo("--verify", tmp_path / "cv").output
    assert instageo("--verify", tmp_path / "cv").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--verify", "train.csv"], "expected the folder of a split, or at least two tables"),
        (["--verify", "."], "has no split.json; name the tables"),
        (["--verify", "train.csv", "val.csv"], "train.csv: does not exist"),
        (["train.csv", "val.csv", "--by", "random"], "expected one table, or --verify with those of a split"),
    ],
)
def test_wrong_arguments_are_one_sentence(tmp_path, monkeypatch, capfd, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    assert sentence in capfd.readouterr().err


def test_a_damaged_record_is_refused(folder, capfd):
    (folder / "split.json").write_text("{")
    assert main(["--verify", str(folder)]) == 1
    assert "split.json: cannot be read as JSON" in capfd.readouterr().err
    (folder / "split.json").write_text(json.dumps({"format": 99}))
    assert main(["--verify", str(folder)]) == 1
    assert "was not written by this version" in capfd.readouterr().err


def test_the_module_takes_flags_with_underscores(tmp_path, capfd):
    table = write_rows(tmp_path / "chips.csv", chip_rows(clustered(100)))
    assert main([str(table), "--by=random", "--chip_km=0", f"--output={tmp_path / 'a'}", "--nofigure"]) == 0
    assert "train 70 (70.0%), val 15 (15.0%), test 15 (15.0%); dropped 0" in capfd.readouterr().out


def region_features(*boundaries):
    """Return polygons between longitudes, named A, B, …, as GeoJSON."""
    features = [
        {
            "type": "Feature",
            "properties": {"land": "ABC"[number]},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[west, -80], [east, -80], [east, 80], [west, 80], [west, -80]]],
            },
        }
        for number, (west, east) in enumerate(pairwise(boundaries))
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


@pytest.fixture
def regions(tmp_path):
    """Return the folder of folds over two regions, west and east of 15° E, and their polygons."""
    polygons = tmp_path / "lands.geojson"
    polygons.write_text(region_features(-180, 15, 180))
    table = write_rows(tmp_path / "chips.csv", chip_rows(clustered(300)))
    options = ["--by", "region", "--regions", polygons, "--column", "land", "--chip-km", CHIP_KM, "--no-figure"]
    result = instageo(table, *options, "--output", tmp_path / "folds")
    assert result.exit_code == 0, result.output
    return tmp_path / "folds", polygons


def test_regions_are_compared_with_their_polygons_again(regions):
    folder, _ = regions
    assert json.loads((folder / "region_A" / "split.json").read_text())["options"]["regions"] == "../../lands.geojson"
    result = instageo("--verify", folder)
    assert result.exit_code == 0, result.output
    assert result.output.count("all of test in A, no other chip there") == 1
    train, test = (read_rows(folder / "region_A" / f"{name}.csv") for name in ("train", "test"))
    write_rows(folder / "region_A" / "train.csv", [*train, test.pop()])
    write_rows(folder / "region_A" / "test.csv", [*test, train[0]])
    result = instageo("--verify", folder / "region_A")
    assert result.exit_code == 1
    assert "1 test chip is elsewhere; 1 chip is in a region of test, but in another part" in " ".join(
        result.output.split()
    )


def test_regions_without_their_polygons_are_told_and_others_can_be_named(regions, tmp_path):
    folder, polygons = regions
    polygons.rename(tmp_path / "moved.geojson")
    result = instageo("--verify", folder / "region_B")
    assert result.exit_code == 0
    assert "lands.geojson does not exist; pass the polygons by --regions" in " ".join(result.output.split())
    options = ["--regions", tmp_path / "moved.geojson", "--column", "land"]
    result = instageo("--verify", folder / "region_B", *options)
    assert "all of test in B, no other chip there" in result.output
    (tmp_path / "moved.geojson").write_text(region_features(-180, 60, 180))
    result = instageo("--verify", *tables(folder / "region_B"), *options)
    assert result.exit_code == 1
    assert "are elsewhere" in result.output
