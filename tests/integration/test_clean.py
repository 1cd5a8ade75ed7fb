"""`instageo clean`: defects that were put into a table are found by name, and nothing else is."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from instageo.data.data_cleaner import main
from instageo.raster.grid import Grid
from tests.cleaning import ChipTableWriter, chip_grid, ground_chip, read_findings

pytestmark = pytest.mark.slow

FLOODS = Path(__file__).parents[3] / "shared" / "data" / "hls_flood"

NUMBER, STEPS = 200, 2

DATES = "2024-05-01;2024-06-01"


def place(grid):
    latitude, longitude = grid.center_lat_lon()
    return {"lat": round(latitude, 6), "lon": round(longitude, 6)}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """Path of a table of 200 chips of which 12 are damaged, and the checks that must find each."""
    rng = np.random.default_rng(7)
    writer = ChipTableWriter(tmp_path_factory.mktemp("damaged"))
    chips = [ground_chip(rng, steps=STEPS) for _ in range(NUMBER)]
    expected = {}
    for number, (values, label) in enumerate(chips):
        name, grid, extra, dates = f"{number:03}", chip_grid(number), {}, DATES
        if number in (150, 151, 152):  # exact copies, under another name
            grid = chip_grid(number - 150)
            values, label = chips[number - 150]
            expected[name] = {"duplicate"}
        if number in (153, 154):  # the same image, a little brighter and with noise
            values = np.rint(chips[number - 150][0] * 1.02 + rng.normal(size=values.shape) * 3).astype(np.int16)
            label = chips[number - 150][1]
            expected[name] = {"near_duplicate"}
        if number == 155:
            values[9] = 1500
            expected[name] = {"constant"}
        if number == 156:
            values[:6] = -9999
            expected[name] = {"nodata"}
        if number in (157, 158):
            values[3:6, :20, :20] = 16_500
            expected[name] = {"saturated"}
        if number == 159:  # the label lies 5 pixels to the right, although its coordinates are those of the chip
            label = np.roll(label, 5, axis=2)
            expected[name] = {"registration"}
        if number == 160:
            dates = DATES[:10]
            expected[name] = {"grid"}
        if number == 161:
            label, extra["label_grid"] = label[:, :60, :60], Grid(grid.crs, grid.transform, 60, 60)
            expected[name] = {"grid"}
        writer.add(name, values, label, grid, dates=dates, **place(grid), **extra)
    return writer.write(), expected


def findings(path):
    """Return the checks by chip that a `clean.csv` names, without groups."""
    found = {}
    for name, check, verdict in read_findings(path):
        if verdict != "group":
            found.setdefault(name, set()).add(check)
    return found


def test_all_defects_are_found_by_name_and_nothing_else_is(damaged, tmp_path):
    table, expected = damaged
    assert main([table, f"--output={tmp_path}", "--drop"]) == 0
    found = findings(tmp_path / "clean.csv")
    assert len(expected) == 12
    assert set(found) == set(expected)
    for name, checks in expected.items():
        assert checks <= found[name], name
    counts = json.loads((tmp_path / "clean.json").read_text())
    assert (counts["chips"], counts["chips_with_findings"]) == (NUMBER, 12)
    page = (tmp_path / "clean_report.html").read_text()
    assert all(f"chips/{name}.tif" in page for name in expected)


@pytest.mark.skipif(not FLOODS.is_dir(), reason="needs real chips without coordinates, which are not in the project")
@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_overlapping_tiles_without_coordinates_become_groups(tmp_path):
    options = ["--layers=1,2,3,4,5,6", "--quality=7", f"--output={tmp_path}"]
    assert main([str(FLOODS / "train.csv"), *options]) == 0
    counts = json.loads((tmp_path / "clean.json").read_text())
    assert (counts["chips"], counts["chips_to_drop"]) == (218, 0)
    assert counts["checks"]["overlap"] == {"group": 41}
    assert "overlap: compared by pixels, because the chips have no coordinates" in counts["remarks"]
    with (tmp_path / "train_groups.csv").open() as file:
        rows = {Path(row["Input"]).stem: row for row in csv.DictReader(file)}
    assert all((tmp_path / row["Input"]).resolve().is_file() for row in rows.values())
    one, other = rows["006"], rows["040"]
    assert one["group"] == other["group"]
    shift = [int(other[name]) - int(one[name]) for name in ("component_row", "component_column")]
    assert sorted(map(abs, shift)) == [0, 72]
