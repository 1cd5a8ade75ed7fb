"""What two tables share: files of chips and labels, and ground."""

import logging

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS
from shapely.geometry import Polygon

from instageo.model.commands.check_tables import check_tables
from instageo.model.context import Run
from instageo.model.inspection.leakage import Separation, compare_tables, format_distance
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.row_stats import RowStats
from instageo.model.settings import DataSettings, Mode, Settings
from instageo.raster.grid import Grid
from instageo.table import Row, write_table
from tests.conftest import CRS_WKT

SIDE = 1000.0
"""Side of a chip of 10 pixels, m."""


def corners_at(x, y, *, crs=CRS_WKT, turn=0.0):
    """Return the corners of a chip whose upper left corner lies x m east and y m north of (500000, 4000000)."""
    cos, sin = 100 * np.cos(np.radians(turn)), 100 * np.sin(np.radians(turn))
    transform = Affine(cos, sin, 500_000 + x, sin, -cos, 4_000_000 + y)
    return tuple(Grid(crs, transform, 10, 10).corners_lonlat())


def table(prefix, places, *, labels=None, pixels=10):
    """Return the report of a table with a chip for each place: corners, latitude and longitude, or None."""
    rows, stats = [], []
    for number, place in enumerate(places):
        lat_lon = place if place is not None and len(place) == 2 else None
        label = labels[number] if labels else f"/labels/{prefix}{number}.tif"
        rows.append(Row(f"{prefix}{number}.tif", f"/chips/{prefix}{number}.tif", label, lat_lon=lat_lon))
        stats.append(RowStats(6, pixels, pixels, corners=None if lat_lon else place))
    return TableReport(tuple(rows), tuple(stats))


ONE = table("train", [corners_at(0, 0)])


@pytest.mark.parametrize(
    ("east", "touching", "gap_km"),
    [
        (500, 1, 0.0),  # half of it overlaps
        (1000, 1, 0.0),  # a common edge
        (1090, 1, 0.0),  # less than a pixel of 100 m between them
        (1120, 0, 0.0),  # 120 m apart, but the circles around them overlap
        (5000, 0, 3.586),  # 5 km less two half diagonals of 0.7071 km
    ],
)
def test_chips_touch_if_less_than_a_pixel_is_between_them(east, touching, gap_km):
    separation = compare_tables(ONE, table("val", [corners_at(east, 0)]))
    assert (separation.placed, separation.touching) == (1, touching)
    assert separation.center_distance_km == pytest.approx(east / 1000, rel=0.006)  # a sphere for the ellipsoid
    assert separation.gap_km == pytest.approx(gap_km, rel=0.006)
    assert separation.nearest == ("val0.tif", "train0.tif")


def test_touching_chips_are_those_that_shapely_finds():
    rng = np.random.default_rng(4)
    places = [rng.uniform(0, 20_000, (count, 2)) for count in (60, 80)]
    turns = [rng.uniform(0, 360, len(each)) for each in places]
    reports, shapes = [], []
    for prefix, each, angles in zip(("train", "val"), places, turns, strict=True):
        corners = [corners_at(x, y, turn=turn) for (x, y), turn in zip(each, angles, strict=True)]
        reports.append(table(prefix, corners, pixels=1000))
        unit = np.array([(0, 0), (SIDE, 0), (SIDE, -SIDE), (0, -SIDE)])
        rotations = [
            np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) for angle in np.radians(angles)
        ]
        shapes.append([Polygon(unit @ rotation.T + place) for rotation, place in zip(rotations, each, strict=True)])
    distances = shapely.distance(np.array(shapes[1])[:, None], np.array(shapes[0])[None])
    least = distances.min(axis=1)
    assert not ((least > 0) & (least < 10)).any()  # none so near that a pixel or the sphere decides
    assert 10 < (least == 0).sum() < 70
    assert compare_tables(*reports).touching == (least == 0).sum()


def test_chips_of_two_zones_and_across_the_antimeridian_overlap():
    east, west = (
        tuple(Grid(CRS.from_epsg(code).to_wkt(), Affine(100, 0, x, 0, -100, 1_000_000), 10, 10).corners_lonlat())
        for code, x in ((32660, 829_250), (32601, 170_000))
    )
    assert min(lon for lon, _ in west) < -179
    assert max(lon for lon, _ in east) > 179
    separation = compare_tables(table("train", [east]), table("val", [west]))
    assert separation.center_distance_km < 1
    assert separation.touching == 1


def test_chips_of_many_dates_at_one_place_count_each():
    place, far = corners_at(0, 0), corners_at(90_000, 0)
    separation = compare_tables(table("train", [place] * 500), table("val", [place] * 400 + [far] * 3))
    assert (separation.placed, separation.touching, separation.center_distance_km) == (403, 400, 0.0)


def test_a_place_in_the_table_counts_for_files_without_georeference():
    train = table("train", [(36.1, -81.0), (10.0, 20.0)])
    separation = compare_tables(train, table("val", [(10.0, 20.0), (50.0, 8.0), None]))
    assert (separation.placed, separation.touching) == (2, 1)
    assert separation.gap_km == 0.0
    apart = compare_tables(train, table("val", [(11.0, 20.0)]))
    assert apart.touching == 0
    assert apart.center_distance_km == pytest.approx(111.19, abs=0.01)  # a degree on a sphere of 6371 km
    assert apart.gap_km is None  # the extent of the chips is not known


def test_a_point_inside_a_chip_shares_its_ground():
    (lon, lat), (_, south) = corners_at(0, 0)[0], corners_at(0, 0)[2]
    inside, outside = ((lat + south) / 2, lon + 0.001), (lat + 0.01, lon)
    assert compare_tables(ONE, table("val", [inside])).touching == 1
    assert compare_tables(ONE, table("val", [outside])).touching == 0


def test_tables_without_places_share_no_ground_and_nothing_is_said():
    separation = compare_tables(table("train", [None]), table("val", [None, None]))
    assert separation == Separation()
    assert separation.sentences("train.csv", "val.csv") == []
    assert compare_tables(ONE, table("val", [None])).sentences("train.csv", "val.csv") == []


def test_a_chip_in_both_tables_is_told_as_such_only():
    separation = compare_tables(ONE, ONE)
    assert (separation.chips, separation.labels, separation.placed) == (("/chips/train0.tif",), (), 0)
    assert separation.sentences("train.csv", "val.csv") == [
        "1 chip is in both train.csv and val.csv, so scores will be too good: /chips/train0.tif"
    ]


def test_label_files_of_several_chips_are_told():
    train = table("train", [None, None], labels=["/labels/2021.tif", "/labels/2022.tif"])
    separation = compare_tables(train, table("val", [None], labels=["/labels/../labels/2022.tif"]))
    assert separation.sentences("train.csv", "val.csv") == [
        "1 label file is in both train.csv and val.csv, so scores will be too good: /labels/2022.tif"
    ]


def test_the_warning_says_how_many_chips_which_and_what_to_do():
    val = table("val", [corners_at(500, 0), corners_at(90_000, 0), corners_at(900, 0)])
    separation = compare_tables(ONE, val)
    assert separation.sentences("train.csv", "val.csv") == [
        "2 of 3 chips of val.csv overlap or touch chips of train.csv, so scores will be too good; the nearest are "
        "val0.tif and train0.tif, with 499 m between their centres; "
        "split again with instageo split --by blocks --buffer-km …"
    ]
    assert separation.to_dict() == {
        "shared_chips": 0,
        "shared_label_files": 0,
        "chips_with_place": 3,
        "chips_on_shared_ground": 2,
        "distance_at_least_km": 0.0,
        "nearest_centers_km": separation.center_distance_km,
        "nearest_chips": ("val0.tif", "train0.tif"),
    }


def test_distances_in_metres_and_kilometres():
    assert [format_distance(each) for each in (0.0, 0.4996, 12.3)] == ["0 m", "500 m", "12.30 km"]


def test_check_warns_of_tables_that_share_ground_and_records_it(tmp_path, make_raster, caplog):
    rows = []
    for number, east in enumerate((0, 45, 600)):  # chips of 3 pixels of 30 m
        transform = Affine(30, 0, 500_000 + east, 0, -30, 4_000_000)
        names = {"Input": f"{number}.tif", "Label": f"{number} label.tif"}
        make_raster(names["Input"], np.full((1, 2, 3), 5 + number, np.int16), transform=transform)
        make_raster(names["Label"], np.ones((2, 3), np.uint8), transform=transform)
        rows.append(names)
    write_table(tmp_path / "train.csv", rows[:1])
    write_table(tmp_path / "val.csv", rows[1:])
    settings = Settings(
        root_dir=str(tmp_path),
        train_filepath="train.csv",
        valid_filepath="val.csv",
        mode=Mode.check,
        dataloader=DataSettings(band_names=["X"]),
    )
    run = Run(settings, tmp_path / "run")
    with caplog.at_level(logging.WARNING):
        check_tables(run)
    assert "1 of 2 chips of val.csv overlaps or touches chips of train.csv, so scores will be too good" in caplog.text
    assert "the nearest are 1.tif and 0.tif, with 45 m between their centres" in caplog.text
    recorded = run.info.tables["valid_filepath"]["separation"]["train_filepath"]
    assert (recorded["chips_on_shared_ground"], recorded["distance_at_least_km"]) == (1, 0.0)
    assert "separation" not in run.info.tables["train_filepath"]
    caplog.clear()
    check_tables(run)  # the statistics of the rows are cached now
    assert run.info.tables["valid_filepath"]["separation"]["train_filepath"] == recorded
