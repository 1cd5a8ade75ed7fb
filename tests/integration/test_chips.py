"""Chips from points, compared pixel by pixel with what the files hold."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from instageo.data.chip_creation import create_chips, create_raster_chips
from instageo.data.chip_settings import ChipSettings
from instageo.errors import ConfigError, DataError, RunFolderError, TableError
from instageo.raster.reading import read_raster
from instageo.raster.warp import WGS84, transform_coordinates
from instageo.table import read_table
from tests.items import TILES, formula, lonlat_of, read_csv, tile_grid, write_catalog, write_points

SIZE = 1220
"""Side of tiles in these tests: pixels of 90 m."""


def random_points(count, seed=0, day="2024-05-17", tile="32TPM", rows=(5, SIZE - 5), columns=(5, SIZE - 5)):
    rng = np.random.default_rng(seed)
    for row, column in rng.uniform((rows[0], columns[0]), (rows[1], columns[1]), (count, 2)):
        lon, lat = lonlat_of(tile, row, column, SIZE)
        yield f"{lat:.8f}", f"{lon:.8f}", day, int(rng.integers(0, 2))


def make(tmp_path, catalog, points, name="chips", **settings):
    table = write_points(tmp_path / f"{name}.csv", points)
    options = {"size": 64, "steps": 2, "step_days": 15, "tolerance_days": 2} | settings
    return create_chips(ChipSettings(str(table), str(tmp_path / name), catalog=str(catalog), **options))


@pytest.mark.parametrize("south_up", [False, True])
def test_pixels_are_those_of_the_files(tmp_path, south_up):  # case 1, pitfalls 40, 45, 64
    catalog = write_catalog(tmp_path / "catalog", size=SIZE, south_up=south_up)
    points = list(random_points(200))
    report = make(tmp_path, catalog, points)
    assert (report.observations, report.skipped, report.exit_status) == (200, {}, 0)
    tile = tile_grid("32TPM", SIZE)
    rows = read_csv(report.table)
    assert sum(int(row["points"]) for row in rows) == 200
    labelled = 0
    for row in rows:
        chip = read_raster(report.folder / row["Input"])
        first, second = int(row["row"]), int(row["column"])
        assert chip.grid == tile.window(first, second, 64, 64)
        expected = [formula(band, date, (64, 64), first, second) for date in range(2) for band in range(6)]
        assert_array_equal(chip.values, expected)
        label = read_raster(report.folder / row["Label"])
        assert label.grid == chip.grid
        labelled += int((label.values >= 0).sum())
    assert labelled == 200 - sum(report.skipped.values())
    labels = {row["Input"]: read_raster(report.folder / row["Label"]) for row in rows}
    for lat, lon, _, value in points:  # every point lies on the pixel that has its label
        [x], [y] = transform_coordinates(WGS84, tile.crs, [float(lon)], [float(lat)])
        found = []
        for label in labels.values():
            row, column = label.grid.from_crs(np.array(x), np.array(y))
            if 0 <= row < 64 and 0 <= column < 64 and label.values[0, int(row), int(column)] >= 0:
                found.append(label.values[0, int(row), int(column)])
        assert value in found


def test_the_table_feeds_the_model(tmp_path):
    catalog = write_catalog(tmp_path / "catalog", size=SIZE)
    report = make(tmp_path, catalog, random_points(5))
    rows = read_table(report.table, report.folder, need_label=True)
    assert {tuple(map(str, row.dates)) for row in rows} == {("2024-05-01", "2024-05-16")}
    settings = json.loads((report.folder / "settings.json").read_text())["dataloader"]
    assert settings["band_names"] == ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
    assert (settings["temporal_dim"], settings["no_data_value"], settings["img_size"]) == (2, -9999, 64)


def test_points_at_borders_of_tiles_and_zones(tmp_path):  # case 3, pitfalls 42, 43
    catalog = write_catalog(tmp_path / "catalog", tiles=tuple(TILES), days=("2024-05-16",), size=SIZE)
    strip = list(random_points(200, columns=(1111, 1219)))  # the columns that 32TPM and 32TQM share
    rng = np.random.default_rng(1)
    border = [
        (f"{lat:.6f}", f"{lon:.6f}", "2024-05-17", 1) for lat, lon in rng.uniform((43.4, 11.9), (44.1, 12.1), (100, 2))
    ]
    report = make(tmp_path, catalog, strip + border, steps=1, tolerance_days=2)
    assert report.skipped == {}
    rows = read_csv(report.table)
    assert {row["tile"] for row in rows} == {"T32TPM", "T32TQM", "T33TTG"} - set()
    assert len({(row["tile"], row["row"], row["column"]) for row in rows}) == len(rows)
    for row in rows:
        assert float(row["valid_1"]) == 1
        assert_allclose(read_raster(report.folder / row["Input"]).values[0, 0, 0] % 1000 // 100, 0)


def test_every_row_is_in_a_chip_or_has_a_reason(tmp_path):  # case 6, pitfalls 46, 56, 57
    def pixels(tile, date, band, values):
        if date == 0 and band == "B04":
            return None  # a file that is cut
        if date == 1:
            values = values.copy()
            values[:, : SIZE // 2] = 255 if band == "Fmask" else -9999  # half a swath
        return values

    days = ("2024-05-10", "2024-05-16", "2024-05-20")
    catalog = write_catalog(tmp_path / "catalog", days=days, size=SIZE, pixels=pixels)
    west, east = (10, 570), (645, 1210)  # cells of 64 columns that lie in one half
    points = [
        *random_points(20, columns=west),  # 05-16 has no data there, 05-20 is after the observation
        *random_points(20, seed=1, columns=east),
        *random_points(20, seed=2, columns=east, day="2024-05-12"),  # the only image cannot be read
        *random_points(20, seed=3, columns=west, day="2024-05-22"),  # 05-20 serves
        ("10.0", "10.0", "2024-05-17", 1),
        ("43.8", "10.8", "2023-05-17", 1),
    ]
    report = make(tmp_path, catalog, points, steps=1, tolerance_days=4)
    skipped = read_csv(report.folder / "skipped.csv")
    assert Counter(row["reason"] for row in skipped) == {
        "outside the swath": 20, "file not readable": 20, "not in any tile": 1, "no image in the period": 1,
    }  # fmt: skip
    assert report.exit_status == 3
    numbers = [int(row["observation"]) for row in skipped]
    assert len(set(numbers)) == 42
    assert sum(int(row["points"]) for row in read_csv(report.table)) == 82 - 42
    unreadable = [row["detail"] for row in skipped if row["reason"] == "file not readable"]
    assert all("2024-05-10_B04.tif" in detail for detail in unreadable)


def test_masks_are_the_pixels_of_the_quality_layer(tmp_path):  # case 10, pitfall 67
    def pixels(tile, date, band, values):
        if band == "Fmask":
            rows, columns = np.indices(values.shape)
            return np.where((rows // 16 + columns // 16 + date) % 5 == 0, 0b10, 64).astype(np.uint8)
        return values

    catalog = write_catalog(tmp_path / "catalog", size=SIZE, pixels=pixels)
    points = list(random_points(10))
    report = make(tmp_path, catalog, points, mask=("cloud",))
    both = make(tmp_path, catalog, points, name="any", mask=("cloud",), mask_strategy="any")
    rows, columns = np.indices((SIZE, SIZE))
    covered = [(rows // 16 + columns // 16 + date) % 5 == 0 for date in range(2)]
    for row in read_csv(report.table):
        window = np.s_[int(row["row"]) : int(row["row"]) + 64, int(row["column"]) : int(row["column"]) + 64]
        chip = read_raster(report.folder / row["Input"])
        either = read_raster(both.folder / row["Input"])
        for date in range(2):
            assert_array_equal(~chip.valid[date * 6], covered[date][window])
            assert_array_equal(~either.valid[date * 6], (covered[0] | covered[1])[window])
            assert float(row[f"clear_{date + 1}"]) == pytest.approx(1 - covered[date][window].mean(), abs=1e-4)


def test_the_clearest_image_may_be_farther_in_time(tmp_path):  # case 10
    def pixels(tile, date, band, values):
        if band == "Fmask" and date == 1:
            values = values.copy()
            values[:, ::2] = 0b10
        return values

    catalog = write_catalog(tmp_path / "catalog", days=("2024-05-12", "2024-05-16"), size=SIZE, pixels=pixels)
    options = {"steps": 1, "tolerance_days": 8}
    nearest = make(tmp_path, catalog, random_points(3), **options)
    clearest = make(tmp_path, catalog, random_points(3), name="clearest", pick="clearest", **options)
    assert {row["dates"] for row in read_csv(nearest.table)} == {"2024-05-16"}
    assert {row["dates"] for row in read_csv(clearest.table)} == {"2024-05-12"}
    strict = make(tmp_path, catalog, random_points(3), name="strict", min_clear=0.9, **options)
    assert {row["dates"] for row in read_csv(strict.table)} == {"2024-05-12"}


def test_a_date_of_a_chip_is_of_one_part_of_a_split_image(tmp_path):  # pitfall 69
    """Parts hold 100 k + their own pattern; the chip is astride their border, 24 of its 64 columns in the first."""
    border = 64 * 9 + 24

    def pixels(tile, date, band, values):
        values = values.copy()
        outside = np.s_[:, border:] if date == 0 else np.s_[:, :border]
        values[outside] = 255 if band == "Fmask" else -9999
        return values

    days = ("2024-05-16T10:15:59Z", "2024-05-16T10:16:20Z")
    catalog = write_catalog(tmp_path / "catalog", days=days, size=SIZE, pixels=pixels)
    content = json.loads(catalog.read_text())
    for record, (first, stop) in zip(content["features"], ((0, border), (border, SIZE)), strict=True):
        corners = [(0, first), (0, stop), (SIZE, stop), (SIZE, first), (0, first)]
        ring = [list(lonlat_of("32TPM", *corner, SIZE)) for corner in corners]
        lons, lats = zip(*ring, strict=True)
        record["geometry"] = {"type": "Polygon", "coordinates": [ring]}
        record["bbox"] = [min(lons), min(lats), max(lons), max(lats)]
    catalog.write_text(json.dumps(content))
    lon, lat = lonlat_of("32TPM", 64 * 5 + 30.5, 64 * 9 + 30.5, SIZE)
    report = make(tmp_path, catalog, [(f"{lat:.8f}", f"{lon:.8f}", "2024-05-17", 1)], steps=1, tolerance_days=5)
    [row] = read_csv(report.table)
    chip = read_raster(report.folder / row["Input"])
    assert row["items"] == f"hls2-s30.32TPM.{days[1]}"
    assert (chip.values[:, :, :24] == -9999).all()
    for band in range(6):
        assert_array_equal(chip.values[band, :, 24:], formula(band, 1, (64, 40), 64 * 5, border))


def test_a_folder_is_used_once_or_resumed_with_the_same_options(tmp_path):  # case 9
    catalog = write_catalog(tmp_path / "catalog", size=SIZE)
    points = list(random_points(5))
    make(tmp_path, catalog, points)
    with pytest.raises(RunFolderError, match="is not empty"):
        make(tmp_path, catalog, points)
    with pytest.raises(RunFolderError, match="made with size=64, but you passed size=32"):
        make(tmp_path, catalog, points, size=32, resume=True)
    before = {path: path.read_bytes() for path in (tmp_path / "chips").rglob("*.tif")}
    report = make(tmp_path, catalog, points, resume=True)
    assert report.resumed == report.chips
    assert {path: path.read_bytes() for path in (tmp_path / "chips").rglob("*.tif")} == before


def test_images_of_another_product_are_named(tmp_path):
    catalog = write_catalog(tmp_path / "catalog", size=SIZE)
    with pytest.raises(
        DataError, match=r"none of 2 images is of landsat: expected the assets .* with B02, B03, .*Fmask"
    ):
        make(tmp_path, catalog, random_points(1), source="landsat", steps=1)
    with pytest.raises(ConfigError, match=r"collection=hls2: .*items.json has no image of it, but of hls2-s30; "):
        make(tmp_path, catalog, random_points(1), collection="hls2")


def test_a_run_without_a_chip_does_not_end_as_done(tmp_path):
    catalog = write_catalog(tmp_path / "catalog", size=SIZE)
    report = make(tmp_path, catalog, random_points(2, day="2023-05-17"), steps=1)
    assert (report.chips, report.exit_status) == (0, 3)


def test_inputs_of_the_other_command_are_told(tmp_path):
    (tmp_path / "map.csv").write_text("lat,lon,date,label\n44,11,2024-05-17,1\n")
    settings = ChipSettings(str(tmp_path / "map.csv"), str(tmp_path / "chips"))
    with pytest.raises(TableError, match=r"map.csv: is a table, not a raster; .* `instageo chips points`"):
        create_raster_chips(settings)
    with pytest.raises(TableError, match=r"map.tif: .* rasters and polygons are for `instageo chips raster`"):
        create_chips(replace(settings, input="map.tif"))
    with pytest.raises(ConfigError, match="output is missing"):
        create_chips(replace(settings, output=""))
