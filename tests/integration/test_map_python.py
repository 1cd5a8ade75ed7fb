"""`mode=map`, `--json`, folders and tables of scenes, ensembles, and `model.map` from Python."""

import json
import warnings

import numpy as np
import pytest

import instageo as package
from tests.integration.maps import (
    assert_same,
    read_layers,
    read_map,
    scene_values,
    train_small,
    write_hls,
    write_raster,
)


@pytest.fixture
def scene(tmp_path):
    return write_raster(tmp_path / "scene.tif", scene_values())


@pytest.fixture
def reference(instageo, small_network, scene, tmp_path):
    """The map of the scene by the command, and its report."""
    output = tmp_path / "reference" / "map.tif"
    status, out, err = instageo("map", small_network, scene, "-o", output, "--probabilities", "--json")
    assert status == 0, err
    [report] = json.loads(out)
    return output, report


def test_a_map_from_python(reference, small_network, scene, tmp_path):
    model, seen = package.load_model(small_network, device="cpu"), []
    report = model.map(
        scene, tmp_path / "map.tif", probabilities=True, progress=lambda done, total: seen.append((done, total))
    )
    assert (tmp_path / "map.tif").read_bytes() == reference[0].read_bytes()
    assert_same(tmp_path / "map.tif", reference[0])
    assert seen == sorted(seen)
    assert seen[-1] == (20, 20)
    assert (report.num_tiles + report.num_empty, report.kept, report.error) == (20, False, None)
    assert [area.pixels for area in report.areas.classes] == [area["pixels"] for area in read_map(reference[0])[2]]
    assert all(path.exists() for path in report.files)
    again = model.map(scene, tmp_path / "map.tif", probabilities=True)
    assert (again.kept, again.files, again.num_tiles) == (True, report.files, 0)


def test_options_and_errors_in_python(small_network, tmp_path):
    model = package.load_model(small_network, device="cpu")
    fmask = np.zeros((70, 90), np.uint8)
    fmask[20:30, 30:60] = 2
    folder = write_hls(tmp_path / "granule", scene_values(), fmask)
    model.map(folder, tmp_path / "maps", mask=["cloud"], confidence=True)
    assert (read_layers(tmp_path / "maps" / "granule.tif")[0, 20:30, 30:60] == 255).all()
    assert (tmp_path / "maps" / "granule_confidence.tif").exists()
    for options, error, words in (
        ({"tta": "d5"}, package.InstaGeoError, "tta=d5 does not work"),
        ({"clouds": True}, TypeError, "unknown option clouds; the options are band_files, bands"),
        ({"mask": ["clouds"]}, package.InstaGeoError, "mask: hls_s30 has no flag clouds"),
    ):
        with pytest.raises(error, match=words):
            model.map(folder, tmp_path / "other", **options)
    with pytest.raises(package.InstaGeoError, match="no such file or folder"):
        model.map(tmp_path / "none.tif", tmp_path / "other")


def test_json_says_what_was_made(reference, scene):
    output, report = reference
    assert (report["scene"], report["output"], report["error"], report["kept"]) == ("scene", str(output), None, False)
    assert report["num_tiles"] + report["num_empty"] == 20
    assert str(output.with_name("map_probabilities.tif")) in report["files"]
    classes = read_layers(output)
    assert [area["pixels"] for area in report["areas"]["classes"]] == [(classes == number).sum() for number in (0, 1)]
    assert report["areas"]["no_data_pixels"] == (classes == 255).sum()


def test_mode_map(run, reference, small_network, scene, tmp_path):
    settings = [f"checkpoint_path={small_network}", "accelerator=cpu"]
    status, _, err = run("mode=map", *settings, f"map.scenes=[{scene}]", "map.probabilities=true")
    assert status == 0, err
    assert_same(tmp_path / "run" / "maps" / "scene.tif", reference[0])
    status, _, err = run("mode=map", *settings, f"map.scenes=[{scene}]", "map.tta=d5", folder="second")
    assert (status, "tta=d5 does not work; expected one of none, flips, d4" in err) == (1, True)
    status, _, err = run("mode=map", *settings, folder="third")
    assert (status, "no scene is named" in err) == (1, True)
    status, _, err = run("mode=map", f"map.scenes=[{scene}]", folder="fourth")
    assert (status, "checkpoint_path" in err) == (1, True)


def test_a_folder_a_table_and_a_list_of_scenes(instageo, reference, small_network, scene, tmp_path):
    values = scene_values()
    for name in ("a", "b"):
        write_raster(tmp_path / "scenes" / f"{name}.tif", values)
    (tmp_path / "scenes" / "notes.txt").write_text("no scene")
    (tmp_path / "scenes" / "table.csv").write_text("Input\nb.tif\n")
    scenes = tmp_path / "scenes"
    for number, names in enumerate(([scenes], [scenes / "a.tif", scenes / "b.tif"], [scenes / "table.csv", scene])):
        output = tmp_path / "maps" / str(number)
        status, out, err = instageo("map", small_network, *names, "-o", output, "--probabilities", "--json")
        assert status == 0, err
        maps = [report["scene"] for report in json.loads(out)]
        assert maps == (["b", "scene"] if number == 2 else ["a", "b"])
        for name in maps:
            assert_same(output / f"{name}.tif", reference[0])


def test_unusual_names(instageo, small_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["[red].tif", "a?b.tif", "a?c.tif", "with space é.tif", "-x.TIF", ".hidden.tif", "a.b.tif"]
    for name in names:
        write_raster(tmp_path / name, scene_values(32, 32))
    status, out, err = instageo("map", small_network, "-o", "maps", "--", *names)
    assert status == 0, err
    stems = ["[red]", "a?b", "a?c", "with space é", "-x", ".hidden", "a.b"]
    for stem in stems:
        assert f"│ {stem} " in out
        assert (tmp_path / "maps" / f"{stem}.tif").exists()
        assert (tmp_path / "maps" / f"{stem}_areas.json").exists()


def test_an_ensemble_and_its_spread(instageo, reference, small_network, scene, tmp_path):
    other = train_small(tmp_path / "other", "seed=7", epochs=1)
    maps = {}
    for name, arguments in {
        "other": [other],
        "both": [small_network, "--member", other, "--spread"],
        "flips": [small_network, "--tta", "flips", "--spread"],
    }.items():
        maps[name] = tmp_path / f"{name}.tif"
        status, _, err = instageo("map", *arguments, scene, "-o", maps[name], "--probabilities")
        assert status == 0, err
    first, second, both = (read_map(path)[1].astype(float) for path in (reference[0], maps["other"], maps["both"]))
    observed = read_map(maps["both"])[0][0] != 255
    assert np.abs(both - (first + second) / 2)[:, observed].max() <= 1
    spread = read_layers(tmp_path / "both_spread.tif")[0].astype(float)
    chosen = both.argmax(axis=0)
    expected = np.take_along_axis(np.abs(first - second) / 2, chosen[None], axis=0)[0]
    # A pixel's spread is averaged over its tiles, so it is at least that of the averaged predictions.
    assert (spread >= expected - 1)[observed].all()
    assert np.abs(spread - expected)[observed].mean() < 2
    assert read_layers(tmp_path / "flips_spread.tif")[0][observed].max() > 0
    # Members that do not fit.
    three = train_small(tmp_path / "three", num_dates=2, epochs=1)
    status, _, err = instageo("map", small_network, "--member", three, scene, "-o", tmp_path / "x.tif")
    assert status == 1
    assert err.splitlines()[-1].endswith("the members of an ensemble must agree")


def test_no_word_about_a_missing_georeference(small_network, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scene = write_raster(tmp_path / "scene.tif", scene_values(), crs=None, transform=None)
    model = package.load_model(small_network, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.map(scene, tmp_path / "map.tif").areas.hectares is None
        assert model.predict(scene).classes.shape == (70, 90)
