"""Wrong input of `instageo map` is one sentence and status 1, and leaves nothing behind."""

import zipfile

import numpy as np
import pytest
import rasterio

from tests.integration.conftest import QUICK, write_chips
from tests.integration.maps import SMALL, scene_values, write_hls, write_raster

VALUES = scene_values()


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", VALUES)


@pytest.fixture
def refused(instageo, small_network, tmp_path):
    """Map what cannot be mapped; returns the sentence, without `error: `."""

    def call(*arguments, output=tmp_path / "map.tif", model=small_network):
        before = sorted(tmp_path.rglob("*"))
        status, out, err = instageo("map", model, *arguments, "-o", output)
        assert (status, out) == (1, "")
        [*_, last] = err.splitlines()
        assert "Traceback" not in err
        assert sorted(path for path in tmp_path.rglob("*") if ".parts" not in str(path)) == before
        return last.removeprefix("error: ")

    return call


CHOICES = {
    "tta=d5": (["--tta", "d5"], "expected one of none, flips, d4"),
    "date=yesterday": (["--date", "yesterday"], "expected a date such as 2024-03-05"),
    "vector=.shp": (["--vector", ".shp"], "expected a path or ending of .gpkg, .geojson, .parquet"),
    "dilation=-1.0": (["--dilation", "-1"], "expected 0 or more pixels"),
    "resolution=0.0": (["--resolution", "0"], "expected null, or above 0"),
    "min_pixels=0": (["--min-pixels", "0"], "expected at least 1 pixel"),
    "memory_mb=0": (["--memory-mb", "0"], "expected at least 1 MB"),
    "band=BLUE": (["--band", "BLUE"], "expected NAME=PATH, such as BLUE=b02.tif"),
    "tile=0": (["--tile", "0"], "expected null, or at least 1 pixel"),
    "batch_size=0": (["--batch-size", "0"], "expected at least 1"),
    "device=tpu": (["--device", "tpu"], "expected one of auto, cpu, gpu, cuda, mps; did you mean gpu?"),
    "precision=64": (["--precision", "64"], "expected one of auto, f32, bf16, int8"),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_choices_are_named_as_options(refused, scene, choice):
    arguments, expected = CHOICES[choice]
    assert refused(scene, *arguments) == f"{choice} does not work; {expected}"


CONTRADICTIONS = {
    "spread of one prediction": (
        ["--spread"],
        "spread: one prediction has no spread; add members, tta=flips or tta=d4",
    ),
    "unknown sensor": (
        ["--sensor", "sentinel2_l3"],
        "sensor=sentinel2_l3 is unknown; choose one of hls_s30, hls_l30, ",
    ),
    "another number of layers": (["--sensor", "hls_s30"], "has 6 layers, but sensor=hls_s30 names 13; name the layers"),
    "mask without quality layer": (["--mask", "cloud"], "scene.tif has no quality layer; name it, or leave mask out"),
    "dilation without mask": (["--dilation", "2"], "dilation=2: nothing is masked; name flags with mask, or remove it"),
    "small polygons without polygons": (["--min-pixels", "9"], "min_pixels=9 does not work; expected 1 without vector"),
    "processes of another engine": (["--num-workers", "2"], "--num-workers: is for worker processes; add --engine ray"),
    "unknown way of scale tags": (["--scale-tags", "yes"], "scale_tags: Invalid value 'yes', expected one of [auto,"),
    "overlap as large as a tile": (["--overlap", "32"], "overlap=32 is not less than the side of a tile, 32 pixels"),
    "too few bands": (["--bands", "RED,GREEN"], "lacks BLUE, NIR_NARROW, SWIR_1, SWIR_2, which the model needs; there"),
    "scenes and bands": (["--band", "RED=b.tif"], "both scenes and single-band files are named; name scenes, or"),
    "two dates for one": (["--date", "2024-01-01", "--date", "2024-02-01"], "2 dates are given for 1 scene of 1"),
    "little memory": (["--memory-mb", "1"], "memory_mb=1 is not enough for a scene of 90 columns, strips of"),
    "member that is missing": (
        ["--member", "/none"],
        "members: checkpoint /none does not exist; check members (option --member)",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_what_does_not_fit_is_told(refused, scene, case):
    arguments, expected = CONTRADICTIONS[case]
    assert expected in refused(scene, *arguments)


def test_inputs_that_are_no_scene(refused, tmp_path, scene):
    missing = tmp_path / "nope.tif"
    assert refused(missing) == f"{missing}: no such file or folder; check the path"
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty").startswith(f"{tmp_path / 'empty'}: holds no raster and no known product; name")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(scene, "scene.tif")
    assert refused(tmp_path / "a.zip").endswith(f"name a raster in it as /vsizip/{tmp_path}/a.zip/NAME.tif")
    (tmp_path / "text.tif").write_text("no raster")
    assert refused(tmp_path / "text.tif").startswith(f"{tmp_path / 'text.tif'}: cannot be read as a raster")
    assert refused() == "no scene is named; name scenes, or the single-band files of one scene with band"
    thirteen = write_raster(tmp_path / "thirteen.tif", np.concatenate([VALUES, VALUES, VALUES[:1]]))
    assert refused(thirteen) == (
        f"{thirteen}: has 13 layers, expected 6 (1 date x 6 bands); name the bands of all its layers with bands, or "
        "its product with sensor"
    )
    unnamed = write_raster(tmp_path / "complex.tif", VALUES.astype(np.complex64), no_data=None)
    assert "has complex values" in refused(unnamed)


def test_files_that_do_not_fit_together(refused, tmp_path):
    files = [f"--band={name}={write_raster(tmp_path / f'{name}.tif', VALUES[:1])}" for name in ("BLUE", "GREEN", "RED")]
    others = [f"--band={name}={tmp_path}/none.tif" for name in ("NIR_NARROW", "SWIR_1", "SWIR_2")]
    assert refused(*files, *others) == f"{tmp_path}/none.tif: no such file; check the path"
    assert "lacks NIR_NARROW, SWIR_1, SWIR_2" in refused(*files)
    assert "band BLUE: named more than 1 time" in refused(*files, files[0])
    elsewhere = write_raster(tmp_path / "none.tif", VALUES[:1], crs="EPSG:32633")
    assert f"{elsewhere}: its reference system (32633) is not that of" in refused(*files, *others)


def test_flags_and_quality_layers(refused, tmp_path):
    folder = write_hls(tmp_path / "granule", VALUES, np.zeros((70, 90), np.uint8))
    sentence = refused(folder, "--mask", "clouds")
    assert sentence == (
        "mask: hls_s30 has no flag clouds; its quality layer has cloud, adjacent, shadow, snow, water; did you mean "
        "cloud?"
    )
    folder = write_hls(tmp_path / "without", VALUES)
    assert refused(folder, "--mask", "cloud").startswith(f"mask=cloud: {folder} has no quality layer; name it")


def test_outputs_that_do_not_fit(refused, tmp_path, scene):
    write_raster(tmp_path / "other" / "scene.tif", VALUES)
    two = (scene, tmp_path / "other" / "scene.tif")
    assert "several scenes are called scene; map them into folders" in refused(*two, output=tmp_path / "maps")
    assert "is one file, but there are 2 scenes; name a folder" in refused(*two)
    assert refused(scene, output=scene) == f"{scene}: the map would overwrite the scene; choose another output"
    assert "the map would overwrite the scene" in refused(scene, output=tmp_path)
    assert refused(scene, output="s3://bucket/map.tif").startswith(
        "s3://bucket/map.tif: maps are written to local disks"
    )
    assert "maps are GeoTIFFs; name a file that ends in .tif" in refused(scene, output=tmp_path / "map.png")
    (tmp_path / "notes").write_text("a file")
    assert "maps are GeoTIFFs" in refused(scene, output=tmp_path / "notes")


def test_a_folder_that_ends_like_a_file_holds_maps(instageo, small_network, tmp_path, scene):
    (tmp_path / "maps.tif").mkdir()
    assert instageo("map", small_network, scene, "-o", tmp_path / "maps.tif")[0] == 0
    assert (tmp_path / "maps.tif" / "scene.tif").exists()


def test_one_bad_scene_does_not_stop_the_others(instageo, small_network, tmp_path):
    write_raster(tmp_path / "scenes" / "a.tif", VALUES)
    (tmp_path / "scenes" / "b.tif").write_text("no raster")
    write_raster(tmp_path / "scenes" / "c.tif", VALUES[:, :40])
    status, out, err = instageo("map", small_network, tmp_path / "scenes", "-o", tmp_path / "maps")
    assert status == 1
    assert err.splitlines()[-1].startswith("error: 1 of 3 scenes could not be mapped: ")
    assert sorted(path.name for path in (tmp_path / "maps").glob("*.tif")) == ["a.tif", "c.tif"]
    assert "│ c " in out


def test_models_that_predict_no_map(instageo, tmp_path, scene, small_network, refused):
    assert refused(scene, model=tmp_path / "none").startswith(f"checkpoint {tmp_path / 'none'} does not exist")
    data = write_chips(tmp_path / "data")
    for name in ("train", "valid"):
        rows = (data / f"{name}.csv").read_text().splitlines()
        labels = [f"{row.split(',')[0]},{number % 2}" for number, row in enumerate(rows[1:])]
        (data / f"{name}.csv").write_text("\n".join(["Input,Label", *labels]) + "\n")
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    settings = [part for part in (*QUICK, *SMALL) if "head" not in part]
    status, _, err = instageo(
        "run", *tables, *settings, "dataloader.label_kind=chip", f"hydra.run.dir={tmp_path / 'run'}"
    )
    assert status == 0, err
    assert refused(scene, model=tmp_path / "run") == (
        "the model predicts one value per chip, not a map; use mode=chip_inference"
    )


DAMAGES = {
    "overwritten": lambda whole, start: whole[:start] + bytes(100) + whole[start + 100 :],
    "cut": lambda whole, start: whole[:start],
}


def block_offset(path, row):
    """Return where the first block of a row of blocks begins in a GeoTIFF."""
    with rasterio.open(path) as file:
        return int(file.get_tag_item(f"BLOCK_OFFSET_0_{row}", "TIFF", bidx=1))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_scene_is_named_and_goes_on_once_it_is_whole(instageo, small_network, tmp_path, damage):
    path = tmp_path / "scene.tif"
    write_raster(path, scene_values(600, 34), compress="deflate", tiled=True, blockxsize=16, blockysize=16)
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole, block_offset(path, 36)))
    command = ["map", small_network, path, "-o", tmp_path / "map.tif", "--overlap", "0"]
    status, out, err = instageo(*command)
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith(f"error: {path}: cannot be read as a raster (")
    assert not (tmp_path / "map.tif").exists()
    path.write_bytes(whole)
    status, _, err = instageo(*command)
    assert status == 0, err
    assert "what was made of map.tif before is made again: scene changed" in err
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.read().shape == (1, 600, 34)
    assert not (tmp_path / "map.tif.parts").exists()
