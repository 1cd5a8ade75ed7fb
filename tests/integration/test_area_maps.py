"""`instageo map --area`: maps of places and days from catalogues, against references made with NumPy and rasterio."""

import json
import os
import re
import shutil

import numpy as np
import pytest
import rasterio
from pyproj import Geod

from instageo.raster.warp import WGS84, transform_coordinates
from tests import faulty_server
from tests.integration.area_catalog import (
    AREA,
    DAYS,
    PIXEL_M,
    centers,
    composite,
    inside_area,
    near_area,
    window_of,
    write_area_catalog,
)
from tests.integration.conftest import QUICK, main
from tests.integration.maps import NO_DATA, read_layers, train_small, write_raster
from tests.integration.test_chip_radar import write_scenes
from tests.integration.test_radar import TABLES, write_radar
from tests.items import TILES, records_at
from tests.stac_servers import rustac_server

BOX = ",".join(map(str, AREA))
CONTEXT = 16
"""Pixels around the area that the network sees: tiles of 32 share so many."""


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """The list of images of a catalogue on this disk."""
    return write_area_catalog(tmp_path_factory.mktemp("catalog"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTAGEO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def map_area(instageo, small_network, listed):
    """Map the area, and return status, standard output and error output."""

    def call(output, *options, catalog=listed, date=f"{DAYS[0]}/{DAYS[1]}"):
        return instageo(
            "map", small_network, "--area", BOX, "--date", date, "--catalog", catalog, "-o", output, *options
        )

    return call


def reference_map(instageo, network, tile, map_path, folder, dates):
    """Map a composite that was made with NumPy, on the grid of a map, and return its classes."""
    with rasterio.open(map_path) as file:
        transform, shape, crs = file.transform, file.shape, file.crs
    rows, columns = window_of(tile, transform, shape)
    values = composite(tile, dates)[:, rows, columns]
    values[:, ~near_area(tile, rows, columns, CONTEXT * PIXEL_M)] = NO_DATA
    scene = write_raster(folder / f"{tile}.tif", values, crs=crs, transform=transform)
    status, _, err = instageo("map", network, scene, "-o", folder / "maps" / f"{tile}.tif", "--probabilities")
    assert status == 0, err
    inside = inside_area(tile, rows, columns)
    return [
        np.where(inside, read_layers(folder / "maps" / f"{tile}{name}.tif"), 255) for name in ("", "_probabilities")
    ]


def assert_maps(instageo, network, output, folder, dates, tiles=TILES):
    for tile in tiles:
        path = output / "tiles" / f"T{tile}.tif"
        expected, probabilities = reference_map(instageo, network, tile, path, folder, dates)
        np.testing.assert_array_equal(read_layers(path), expected)
        np.testing.assert_array_equal(read_layers(path.with_name(f"T{tile}_probabilities.tif")), probabilities)
        assert set(np.unique(expected)) == {0, 1, 255}


@pytest.mark.parametrize(("composite_name", "dates"), [("clearest", (1, 0)), ("newest", (1, 0)), ("none", (1,))])
def test_maps_of_two_zones_equal_those_of_composites(
    instageo, small_network, map_area, tmp_path, composite_name, dates
):
    status, _, err = map_area(tmp_path / "out", "--composite", composite_name, "--probabilities")
    assert status == 0, err
    assert_maps(instageo, small_network, tmp_path / "out", tmp_path, dates)


def test_the_same_map_through_a_catalogue_with_faults(map_area, listed, tmp_path):
    """One request of five fails, and one of twenty is cut; bytes are counted without faults."""
    assert map_area(tmp_path / "local")[0] == 0
    (tmp_path / "server").mkdir()
    with faulty_server.running(listed.parent) as port:
        for name in ("plain", "shaky"):
            base = f"http://127.0.0.1:{port}" + ("" if name == "plain" else "/shaky")
            with rustac_server(tmp_path / "server", records_at(listed, base), DAYS) as url:
                status, _, err = map_area(tmp_path / name, "--source", "hls", "--collection", "hls2-s30", catalog=url)
                assert status == 0, err
            if name == "plain":
                read = sum(entry[3] for entry in faulty_server.log(port))
    for path in (tmp_path / "local" / "tiles").glob("T*.tif"):
        for name in ("plain", "shaky"):
            assert read_layers(path).tobytes() == read_layers(tmp_path / name / "tiles" / path.name).tobytes()
    needed = bytes_of_blocks(listed, tmp_path / "plain")
    assert needed < read <= 1.25 * needed


def bytes_of_blocks(listed, output):
    """Return the bytes of the blocks of all files that the pixels of maps touch."""
    total = 0
    for tile in TILES:
        with rasterio.open(output / "tiles" / f"T{tile}.tif") as file:
            rows, columns = window_of(tile, file.transform, file.shape)
        for path in listed.parent.glob(f"files/{tile}_*.tif"):
            with rasterio.open(path) as file:
                height, width = file.block_shapes[0]
                for row in range(rows.start // height, (rows.stop - 1) // height + 1):
                    for column in range(columns.start // width, (columns.stop - 1) // width + 1):
                        total += int(file.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", 1))
    return total


def test_hectares_of_the_area_and_of_zones(map_area, tmp_path):
    """The first tile with an observation counts where tiles overlap, also in another UTM zone."""
    zones = tmp_path / "zones.geojson"
    boxes = {"west": (11.35, 43.85, 11.75, 43.95), "east": (12.1, 43.82, 12.6, 44.0)}
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [[
            [w, s], [e, s], [e, n], [w, n], [w, s]]]}}
        for name, (w, s, e, n) in boxes.items()
    ]  # fmt: skip
    zones.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    status, _, err = map_area(tmp_path / "out", "--zones", zones)
    assert status == 0, err
    record = json.loads((tmp_path / "out" / "areas.json").read_text())
    order = [name.removesuffix(".tif").removeprefix("T") for name in record["maps"]]
    expected = independent_hectares(tmp_path / "out", order, {"whole area": AREA, **boxes})
    for zone in record["zones"]:
        assert [each["hectares"] for each in zone["classes"]] == pytest.approx(expected[zone["zone"]], rel=1e-6)
    assert [zone["zone"] for zone in record["zones"]] == ["whole area", "west", "east"]


def independent_hectares(output, order, boxes):
    """Return hectares of both classes in boxes, by pixels' corners on the ellipsoid (pyproj.Geod)."""
    import pyproj

    geod, sums = Geod(ellps="WGS84"), {name: [0.0, 0.0] for name in boxes}
    maps = {}
    for tile in order:
        with rasterio.open(output / "tiles" / f"T{tile}.tif") as file:
            maps[tile] = file.read(1), window_of(tile, file.transform, file.shape)
    for number, tile in enumerate(order):
        classes, (rows, columns) = maps[tile]
        code, west, north = TILES[tile]
        to_degrees = pyproj.Transformer.from_crs(code, 4326, always_xy=True)
        counts = classes != 255
        x, y = np.meshgrid(
            west + PIXEL_M * (np.arange(columns.start, columns.stop) + 0.5),
            north - PIXEL_M * (np.arange(rows.start, rows.stop) + 0.5),
        )
        lon, lat = to_degrees.transform(x, y)
        for other in order[:number]:
            other_classes, (other_rows, other_columns) = maps[other]
            other_code, other_west, other_north = TILES[other]
            ox, oy = pyproj.Transformer.from_crs(code, other_code, always_xy=True).transform(x, y)
            r = np.floor((other_north - oy) / PIXEL_M).astype(int) - other_rows.start
            c = np.floor((ox - other_west) / PIXEL_M).astype(int) - other_columns.start
            within = (r >= 0) & (c >= 0) & (r < other_classes.shape[0]) & (c < other_classes.shape[1])
            seen = np.zeros_like(counts)
            seen[within] = other_classes[r[within], c[within]] != 255
            counts &= ~seen
        # areas change smoothly: those of every 8th pixel by its corners, the others by interpolation along both axes
        hectares = pixel_hectares(geod, to_degrees, x, y)
        for name, (w, s, e, n) in boxes.items():
            inside = counts & (lon > w) & (lon < e) & (lat > s) & (lat < n)
            for value in (0, 1):
                sums[name][value] += hectares[inside & (classes == value)].sum()
    return sums


def pixel_hectares(geod, to_degrees, x, y):
    """Return hectares of pixels by their corners on the ellipsoid at some positions, interpolated by a polynomial."""
    step = 64
    some = np.s_[::step, ::step]
    half = PIXEL_M / 2
    values = []
    for px, py in zip(x[some].ravel(), y[some].ravel(), strict=True):
        corners = [(px - half, py - half), (px + half, py - half), (px + half, py + half), (px - half, py + half)]
        lon, lat = to_degrees.transform(*zip(*corners, strict=True))
        values.append(abs(geod.polygon_area_perimeter(lon, lat)[0]) / 1e4)
    u, v = (x - x.mean()) / 1e5, (y - y.mean()) / 1e5

    def terms(u, v):
        return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v, u**3, u * u * v, u * v * v], axis=-1)

    fit, *_ = np.linalg.lstsq(terms(u[some].ravel(), v[some].ravel()), np.array(values), rcond=None)
    return terms(u, v) @ fit


def test_a_plan_reads_no_pixel(map_area, tmp_path):
    status, out, err = map_area(tmp_path / "out", "--plan", "--price-per-hour", "1.2")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith("6 images of hls from planetary, 3 tiles, pixels of 90 m")
    assert [line.split(":")[0].strip() for line in lines[1:4]] == ["T33TTG", "T32TQM", "T32TPM"]
    assert re.fullmatch(
        r"to read: [\d.]+ MB if the first image shows everything, at most [\d.]+ MB; to compute: \d+ tiles of the "
        r"network", lines[4],
    )  # fmt: skip
    assert re.fullmatch(
        r"time: [\d:]+( to [\d:]+)?, [\d.]+( to [\d.]+)? at 1.2 an hour; of it [\d:]+ for the network \(measured, by a "
        r"trial with PyTorch\), [\d:]+( to [\d:]+)? to read \(estimated\), [\d:]+ to combine and write \(estimated\)",
        lines[5],
    )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_ray_maps_tiles_side_by_side(map_area, tmp_path):
    pytest.importorskip("ray", reason="the extra `serve` is not installed")
    assert map_area(tmp_path / "local")[0] == 0
    status, _, err = map_area(tmp_path / "ray", "--engine", "ray", "--num-workers", "2")
    assert status == 0, err
    for path in (tmp_path / "local" / "tiles").glob("T*.tif"):
        assert path.read_bytes() == (tmp_path / "ray" / "tiles" / path.name).read_bytes()


def test_two_periods_are_compared(map_area, instageo, small_network, listed, tmp_path):
    """Transitions are counted where both periods have an observation."""
    arguments = ["map", small_network, "--area", BOX, "--catalog", listed, "-o", tmp_path / "out"]
    status, _, err = instageo(*arguments, "--before", DAYS[0], "--after", DAYS[1])
    assert status == 0, err
    for path in (tmp_path / "out" / "changes").glob("T*.tif"):
        before, after = (
            read_layers(tmp_path / "out" / name / "tiles" / path.name)[0].astype(int) for name in ("before", "after")
        )
        both = (before != 255) & (after != 255)
        np.testing.assert_array_equal(read_layers(path)[0], np.where(both, 2 * before + after, 255))
    record = json.loads((tmp_path / "out" / "changes.json").read_text())
    whole = record["zones"][0]
    assert (whole["zone"], len(whole["transitions"])) == ("whole area", 4)
    assert DAYS[0] in (tmp_path / "out" / "report.html").read_text()


def test_an_area_over_time(map_area, tmp_path):
    """A period without an image is a band without observations, and in no table."""
    status, _, err = map_area(tmp_path / "out", "--every", "14d", date="2024-05-01/2024-06-11")
    assert status == 0, err
    assert "2024-05-29_2024-06-11: no image touches the area" in err
    for path in (tmp_path / "out" / "stack").glob("T*.vrt"):
        layers = read_layers(path)
        assert len(layers) == 3
        assert (layers[2] == 255).all()
        first = read_layers(tmp_path / "out" / "2024-05-01_2024-05-14" / "tiles" / f"{path.stem}.tif")[0]
        np.testing.assert_array_equal(layers[0], first)
    lines = (tmp_path / "out" / "areas_over_time.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 2


SMALL_AREA = (10.50, 43.70, 10.60, 43.78)
"""It lies in 32TPM alone."""


def test_a_model_of_two_dates_gets_one_composite_for_each(instageo, listed, tmp_path):
    network = train_small(tmp_path / "network", num_dates=2)
    box = ",".join(map(str, SMALL_AREA))
    arguments = ["map", network, "--area", box, "--catalog", listed, "--probabilities", "-o", tmp_path / "out"]
    for wrong in (DAYS[:1], (*DAYS, "2024-06-01")):
        status, _, err = instageo(*arguments, *[part for day in wrong for part in ("--date", day)])
        verb = "date is" if len(wrong) == 1 else "dates are"
        assert (status, err.splitlines()[-1]) == (
            1, f"error: date: {len(wrong)} {verb} given, but the model was trained on 2; repeat --date for each, in "
            "their order: a day or a period",
        )  # fmt: skip
    status, _, err = instageo(*arguments, "--date", DAYS[1], "--date", DAYS[0])
    assert status == 0, err
    path = tmp_path / "out" / "tiles" / "T32TPM.tif"
    with rasterio.open(path) as file:
        transform, shape, crs = file.transform, file.shape, file.crs
    rows, columns = window_of("32TPM", transform, shape)
    values = np.concatenate([composite("32TPM", [date])[:, rows, columns] for date in (1, 0)])
    values[:, ~near_area("32TPM", rows, columns, CONTEXT * PIXEL_M, SMALL_AREA)] = NO_DATA
    scene = write_raster(tmp_path / "scene.tif", values, crs=crs, transform=transform)
    assert instageo("map", network, scene, "-o", tmp_path / "expected.tif", "--probabilities")[0] == 0
    inside = inside_area("32TPM", rows, columns, SMALL_AREA)
    for name in ("", "_probabilities"):
        own, expected = (read_layers(folder / f"{stem}{name}.tif") for folder, stem in (
            (path.parent, "T32TPM"), (tmp_path, "expected")
        ))  # fmt: skip
        np.testing.assert_array_equal(own, np.where(inside, expected, 255))
    numbers = read_layers(path.with_name("T32TPM_coverage.tif"))
    assert [set(np.unique(layer)) for layer in numbers] == [{0, 255}, {1, 255}]


def test_a_tile_that_cannot_be_mapped_is_named_and_the_others_are_made(map_area, listed, tmp_path):
    """Status 1, and what the other tiles show."""
    folder = tmp_path / "catalog"
    shutil.copytree(listed.parent, folder, copy_function=os.link)
    for path in folder.glob("files/32TQM_*_B03.tif"):
        path.unlink()
    status, out, err = map_area(tmp_path / "out", catalog=folder / listed.name)
    assert (status, "whole area" in out) == (1, True)
    last = err.splitlines()[-1]
    assert last.startswith("error: 1 of 3 tiles could not be mapped: T32TQM: ")
    assert last.endswith("32TQM_2024-05-01_B03.tif: the file does not exist")
    assert sorted(path.name for path in (tmp_path / "out" / "tiles").glob("T?????.tif")) == ["T32TPM.tif", "T33TTG.tif"]


def test_radar_shows_each_image_where_it_has_values(instageo, tmp_path):
    """Scenes of two days that overlap in part, without a quality layer; the newest one counts."""
    data = write_radar(tmp_path / "data")
    assert main([f"root_dir={data}", *TABLES, *QUICK, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    catalog, scenes = write_scenes(tmp_path / "catalog")
    (first, _), (second, power) = (scenes[day] for day in sorted(scenes))
    west, north = second.transform.c - 1000, first.transform.f - 200
    lons, lats = transform_coordinates(
        first.crs, WGS84, [west, west + 3000, west, west + 3000], [north - 3000, north - 3000, north, north]
    )  # fmt: skip
    box = ",".join(map(str, (max(lons[0], lons[2]), max(lats[:2]), min(lons[1::2]), min(lats[2:]))))
    status, _, err = instageo(
        "map", tmp_path / "run", "--area", box, "--date", "2024-05-01/2024-05-31", "--catalog", catalog, "-o",
        tmp_path / "out",
    )  # fmt: skip
    assert status == 0, err
    [path] = (tmp_path / "out" / "tiles").glob("*_coverage.tif")
    with rasterio.open(path) as file:
        numbers, transform = file.read(1), file.transform
    row, column = (round(part / 10) for part in (second.transform.f - transform.f, transform.c - second.transform.c))
    rows, columns = np.nonzero(numbers != 255)
    rows, columns = rows + row, columns + column
    inside = (rows >= 0) & (columns >= 0) & (rows < second.height) & (columns < second.width)
    shows = np.zeros(len(rows), bool)
    shows[inside] = (power[:, rows[inside], columns[inside]] != -32768).all(axis=0)
    np.testing.assert_array_equal(numbers[numbers != 255], np.where(shows, 0, 1))
    assert 0 < shows.mean() < 1
    assert "No pixels were left out for clouds or shadows." in (tmp_path / "out" / "report.html").read_text()


def test_blocks_between_far_polygons_are_not_read(instageo, small_network, listed, tmp_path):
    """Two fields in the same rows of a tile, 900 columns apart; bytes are those of the blocks that they touch."""
    rows, columns = range(500, 540), (range(60, 100), range(1000, 1040))
    rings = []
    for own in columns:
        *_, lon, lat = centers("32TPM", slice(rows.start, rows.stop), slice(own.start, own.stop))
        corners = [(0, 0), (0, -1), (-1, -1), (-1, 0), (0, 0)]
        rings.append([[[float(lon[corner]), float(lat[corner])] for corner in corners]])
    path = tmp_path / "fields.geojson"
    geometry = {"type": "MultiPolygon", "coordinates": rings}
    feature = {"type": "Feature", "properties": {"name": "fields"}, "geometry": geometry}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    content = json.loads(listed.read_text())
    with faulty_server.running(listed.parent) as port:
        base = f"http://127.0.0.1:{port}"
        features = [record for record in records_at(listed, base) if "32TPM" in record["id"]]
        own_list = tmp_path / "items.json"
        own_list.write_text(json.dumps(content | {"catalog": base, "features": features}))
        status, _, err = instageo(
            "map", small_network, "--area", path, "--date", "/".join(DAYS), "--catalog", own_list, "-o",
            tmp_path / "out",
        )  # fmt: skip
        assert status == 0, err
        read = sum(entry[3] for entry in faulty_server.log(port))
    needed, whole = 0, 0
    for name in listed.parent.glob("files/32TPM_*.tif"):
        with rasterio.open(name) as file:
            for row in {(rows.start - CONTEXT) // 256, (rows.stop + CONTEXT) // 256}:
                sizes = [int(file.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", 1)) for column in range(5)]
                touched = {(end + shift) // 256 for own in columns for end, shift in (
                    (own.start, -CONTEXT), (own.stop, CONTEXT)
                )}  # fmt: skip
                needed += sum(sizes[column] for column in touched)
                whole += sum(sizes)
    headers = 14 * 16_384
    assert read <= 1.05 * needed + headers
    assert needed + headers < 0.75 * whole
    classes = read_layers(tmp_path / "out" / "tiles" / "T32TPM.tif")[0]
    assert (classes != 255).sum() > 0.8 * 2 * 39 * 39  # clouds on both days
