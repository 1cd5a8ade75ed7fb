"""Maps of an area from several products of one ground: the same reflectance, and the same classes."""

import json

import numpy as np
import pytest
import rasterio

from instageo.area_maps.map_tiles import prepare_area
from instageo.area_maps.request import AreaOutput, AreaRequest, parse_days
from instageo.data.composites.composite_rows import CompositeRows
from instageo.errors import ConfigError
from instageo.model.map_jobs.trained_model import load_model
from instageo.raster.grid import Grid
from instageo.sensors import PRITHVI_BANDS
from tests.integration.conftest import QUICK, main, write_chips
from tests.integration.maps import SMALL, read_layers
from tests.integration.sensor_catalogs import DAYS, PRODUCTS, area, labels, reflectance

LAYERS_OF_S30 = [0, 0, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 5]
"""Layer of a chip of six bands that stands for each of the 13 of HLS S30."""

EDGE_M = 100
"""Distance from the edges of blocks where resampling changes nothing."""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network that was trained on chips of HLS S30, with all of its 13 layers."""
    base = tmp_path_factory.mktemp("s30")
    data = write_chips(base / "data", count=16)
    for path in (data / "chips").glob("*.tif"):
        with rasterio.open(path) as file:
            values, profile = file.read(), file.profile
        with rasterio.open(path, "w", **profile | {"count": 13}) as file:
            file.write(values[LAYERS_OF_S30])
    settings = [
        f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv", "dataloader.sensor=hls_s30",
        f"dataloader.band_names=[{','.join(PRITHVI_BANDS)}]", "train.num_epochs=4", "train.learning_rate=0.003",
    ]  # fmt: skip
    assert main([*QUICK, *SMALL, *settings, f"hydra.run.dir={base / 'run'}"]) == 0
    return base / "run"


@pytest.fixture(scope="module")
def catalogs(tmp_path_factory):
    """The list of each product."""
    return {name: write(tmp_path_factory.mktemp(name)) for name, (_, write) in PRODUCTS.items()}


def request_of(catalog, source, **options):
    days = parse_days("/".join(DAYS))
    return AreaRequest(area(), (days,), source=source, catalog=str(catalog), **options)


def far_from_edges(grid):
    """Return where resampling changes nothing, and the class there."""
    own, distance = labels(grid)
    return distance >= EDGE_M, own


@pytest.mark.parametrize("composite", ["clearest", "newest", "median"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_composites_of_all_products_have_the_reflectance_of_the_ground(
    network, catalogs, tmp_path, name, composite
):  # fmt: skip
    request = request_of(catalogs[name], PRODUCTS[name][0], composite=composite)
    [part] = prepare_area(load_model(network), request, AreaOutput(tmp_path / "out")).scenes
    scene = part.composite()
    assert scene.pixel_m == 30
    assert len(part.images[0]) == (4 if name == "landsat" else 2)
    height, width = scene.grid.shape
    with CompositeRows(scene, slice(0, width)) as rows:
        values, valid = rows.read(0, height)
    to_read = scene.to_read(slice(0, height), slice(0, width))
    exact, _ = far_from_edges(scene.grid)
    assert (valid[0] == to_read).all()
    assert (exact & to_read).sum() > 10_000
    for number, band in enumerate(PRITHVI_BANDS):
        np.testing.assert_array_equal(values[number][exact & to_read], reflectance(band, scene.grid)[exact & to_read])


def test_maps_of_all_products_have_the_classes_of_the_ground(instageo, network, catalogs, tmp_path):
    areas = {}
    for name, (source, _) in PRODUCTS.items():
        own = [] if name == "hls" else ["--source", source]
        status, _, err = instageo(
            "map", network, "--area", area(), "--date", "/".join(DAYS), "--catalog", catalogs[name], "-o",
            tmp_path / name, *own,
        )  # fmt: skip
        assert status == 0, err
        [path] = [path for path in (tmp_path / name / "tiles").glob("*.tif") if "coverage" not in path.name]
        classes = read_layers(path)[0]
        with rasterio.open(path) as file:
            grid = Grid(file.crs.to_wkt(), file.transform, *file.shape)
        exact, own = far_from_edges(grid)
        seen = exact & (classes != 255)
        assert seen.sum() > 10_000
        np.testing.assert_array_equal(classes[seen], own[seen])
        whole = json.loads((tmp_path / name / "areas.json").read_text())["zones"][0]
        areas[name] = [each["hectares"] for each in whole["classes"]]
        assert sum(areas[name]) == pytest.approx(whole["zone_hectares"], rel=2e-3)  # half a pixel at the edges
    for hectares in areas.values():
        assert hectares == pytest.approx(areas["hls"], rel=0.02)  # pixels at edges of blocks


def changed(path, folder, change):
    """Return a list whose records are changed, next to the files of another one."""
    content = json.loads(path.read_text())
    for record in content["features"]:
        change(record)
    own = path.with_name(f"{folder.name}.json")
    own.write_text(json.dumps(content))
    return own


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--source", "sentinel1"],
            "source=sentinel1: has radar backscatter, but the model was trained on reflectance",
        ),
        (
            ["--mask", "cloud,haze"],
            "mask: hls has no flag haze; its quality layer has cloud, adjacent, shadow, snow, water",
        ),
        (
            ["--source", "sentinel2"],
            "none of 2 images is of sentinel2: expected the assets B02, B03, B04, B8A, B11, B12 of sentinel-2-l2a; the "
            "first is hls2-l30.1 of hls2-l30 with B02, B03, B04, B05, B06, B07, Fmask; choose --source, or another "
            "--catalog",
        ),
        (["--source", "landsat"], "none of 2 images is of landsat: expected the assets blue, green, red, nir08, "),
        (
            ["--collection", "hls2-s31"],
            "items.json has no image of it, but of hls2-l30, hls2-s30; choose one of them, or leave --collection out",
        ),
        (["--sentinel2-shift", "pending"], "sentinel2_shift=pending: values of hls have no such offset"),
        (["--num-workers", "2"], "--num-workers: is for worker processes; add --engine ray, or leave it out"),
        (["--min-pixels", "9"], "min_pixels=9 does not work; expected 1 without vector"),
        (["--composite", "clear"], "composite=clear is unknown; choose one of clearest, newest, median, none"),
        (["--date", "2024-05-01"], "date: 2 dates are given, but the model was trained on 1"),
    ],
)
def test_what_does_not_fit_is_one_sentence(instageo, network, catalogs, tmp_path, options, message):
    status, out, err = instageo(
        "map", network, "--area", area(), "--date", "/".join(DAYS), "--catalog", catalogs["hls"], "-o",
        tmp_path / "out", *options,
    )  # fmt: skip
    assert (status, out) == (1, "")
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last


def test_images_of_unknown_baseline_are_left_out_with_a_line(instageo, network, catalogs, tmp_path):
    def forget(record):
        if "_0_" in record["id"]:
            del record["properties"]["s2:processing_baseline"]

    listed = changed(catalogs["sentinel2"], tmp_path, forget)
    arguments = ["map", network, "--area", area(), "--date", "/".join(DAYS), "--catalog", listed]
    status, _, err = instageo(*arguments, "--source", "sentinel2", "-o", tmp_path / "one")
    assert status == 0, err
    [line] = [line for line in err.splitlines() if "left out" in line]
    assert "1 image is left out, such as: S2A_32TPM_0_03.01: it has no baseline" in line
    whole = json.loads((tmp_path / "one" / "areas.json").read_text())["zones"][0]
    assert whole["unobserved_hectares"] / whole["zone_hectares"] == pytest.approx(0.5, abs=0.01)
    both = changed(catalogs["sentinel2"], tmp_path, lambda record: record["properties"].pop("s2:processing_baseline"))
    status, _, err = instageo(*arguments[:-1], both, "--source", "sentinel2", "-o", tmp_path / "none")
    assert status == 1
    assert "no image of the area from 2024-05-01/2024-05-06 can be used (S2A_32TPM_0_03.01" in err.splitlines()[-1]


def test_a_product_without_a_band_is_refused(network, catalogs, tmp_path):
    predictor = load_model(network)
    predictor.settings.dataloader.band_names = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "RED_EDGE_1"]
    with pytest.raises(ConfigError, match="source=landsat: lacks RED_EDGE_1, which the model needs"):
        prepare_area(predictor, request_of(catalogs["landsat"], "landsat"), AreaOutput(tmp_path))
