"""The same file is read as the same values, or refused in the same sentence, by every command, in Python and served."""

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio

import instageo
from instageo.errors import InstaGeoError
from instageo.model.settings import Settings
from instageo.raster.reading import read_info, read_raster
from instageo.raster.writing import write_raster
from instageo.sensors import PRITHVI_BANDS
from instageo.table import write_table
from tests.integration.conftest import QUICK, write_chips

REVERSED = [2, 1, 0, 3, 4, 5]
NAMES = ["RED", "GREEN", "BLUE", *PRITHVI_BANDS[3:]]
TABLES = ["train_filepath=train.csv", "valid_filepath=train.csv", "test_filepath=train.csv"]


def more_layers(path):
    """Thirteen layers instead of six."""
    chip = read_raster(path)
    write_raster(path, np.concatenate([chip.values, chip.values, chip.values[:1]]), chip.grid)


def other_names(path):
    """Red first, as the names of the layers say."""
    chip = read_raster(path)
    write_raster(path, chip.values[REVERSED], chip.grid, bands=NAMES)


def other_tags(path):
    """Tags of another unit, with an offset."""
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.01,) * 6, (-1.0,) * 6


ODD = {
    more_layers: "has 13 layers, expected 6 (1 date x 6 bands)",
    other_names: f"calls its layers {', '.join(NAMES)}, but they would be read as {', '.join(PRITHVI_BANDS)}",
    other_tags: "have the tags scale 0.01, offset -1, but the settings read stored values x 1 + 0",
}


def changed(folder, change):
    """Two chips that have been changed, in one table."""
    write_chips(folder, count=3)
    for name in ("chips/chip_2.tif", "labels/label_2.tif"):
        (folder / name).unlink()
    rows = [{"Input": f"chips/chip_{number}.tif", "Label": f"labels/label_{number}.tif"} for number in range(2)]
    write_table(folder / "train.csv", rows)
    for row in rows:
        change(folder / row["Input"])
    return folder


def served(path, run_folder):
    """Return what the server says of a file; its network is not reached if the file is refused."""
    from instageo.serving.access.admission import Admission
    from instageo.serving.errors import HTTPProblem
    from instageo.serving.metrics import ServerMetrics
    from instageo.serving.replicas.model_replica import ModelDescription
    from instageo.serving.service import PredictionService
    from instageo.serving.settings import ServerSettings
    from instageo.serving.tiles import ResultCache

    class NoNetwork:
        def options(self, **_):
            return self

    model = instageo.load_model(run_folder, device="cpu")
    results = ResultCache(10**9, path.parent / "results")
    service = PredictionService(
        NoNetwork(), ServerSettings({"m": str(run_folder)}), ServerMetrics(), Admission(1, 10**9), results
    )
    service._descriptions["m"] = ModelDescription(model.settings, model.metrics, 0)
    with pytest.raises(HTTPProblem) as caught:
        service.summarize("m", path)
    assert caught.value.status == 422
    return caught.value.detail


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings
@pytest.mark.parametrize("change", ODD)
def test_every_command_refuses_a_file_in_the_same_words(trained, run, tmp_path, change):  # pitfalls 75 to 77
    _, folder = trained
    data, words = changed(tmp_path / "data", change), ODD[change]
    first = data / "chips" / "chip_0.tif"
    common = [f"root_dir={data}", *TABLES, "accelerator=cpu"]
    model = f"checkpoint_path={folder}"
    for arguments in (
        ["mode=check"], ["mode=stats"], ["mode=train", *QUICK], ["mode=eval", model], ["mode=chip_inference", model],
    ):  # fmt: skip
        status, _, err = run(*common, *arguments)
        assert status == 1
        assert words in err
        assert "Traceback" not in err
    for read in (
        lambda: instageo.ChipDataset(data / "train.csv"),
        lambda: instageo.load_model(folder, device="cpu").predict(first),
        lambda: instageo.load_model(folder, device="cpu").encode(first),
    ):
        with pytest.raises(InstaGeoError) as caught:
            read()
        assert words in str(caught.value)
    answer = served(first, folder)
    assert words in answer
    assert "dataloader" not in answer  # who sends a file cannot change settings
    assert not (tmp_path / "run" / "predictions").exists()


def test_layers_are_read_by_name_everywhere(trained, run, tmp_path):  # pitfall 76
    _, folder = trained
    plain, named = changed(tmp_path / "plain", lambda path: None), changed(tmp_path / "named", other_names)
    by_name = "dataloader.bands_by_name=true"
    results = []
    for data, more in ((plain, []), (named, [by_name])):
        common = [f"root_dir={data}", *TABLES, "accelerator=cpu", *more]
        outputs = {}
        for mode in ("stats", "eval", "chip_inference"):
            model = [] if mode == "stats" else [f"checkpoint_path={folder}", f"output_dir={data / 'maps'}"]
            status, out, err = run(*common, f"mode={mode}", *model)
            assert status == 0, err
            outputs[mode] = out
        scores = json.loads((tmp_path / "run" / "metrics.json").read_text())
        maps = [read_raster(path).values for path in sorted((data / "maps" / "chips").glob("*.tif"))]
        chips = instageo.ChipDataset(data / "train.csv", **({"bands_by_name": True} if more else {}))
        results.append((json.loads(outputs["stats"]), scores, maps, [chips[number]["image"] for number in range(2)]))
    (stats, scores, maps, images), (other_stats, other_scores, other_maps, other_images) = results
    assert stats == other_stats
    assert scores == other_scores
    assert all((one == two).all() for one, two in zip(maps, other_maps, strict=True))
    assert all((one == two).all() for one, two in zip(images, other_images, strict=True))


def test_commands_say_which_layers_they_read_as_what(trained, run, capfd):  # pitfall 75
    data, folder = trained
    layout = f"reading {', '.join(PRITHVI_BANDS)} as date 1: layers [0, 1, 2, 3, 4, 5] (counted from 0)"
    for mode in ("eval", "chip_inference"):
        status, _, err = run(
            f"mode={mode}", f"root_dir={data}", "test_filepath=test.csv", f"checkpoint_path={folder}", folder=mode
        )
        assert status == 0, err
        assert err.count(layout) == 1
    model = instageo.load_model(folder, device="cpu")
    for number in (4, 5):
        model.predict(data / "chips" / f"chip_{number}.tif")
    assert capfd.readouterr().err.count(layout) == 1  # the commands have set the log up
    assert model.layers_of(data / "chips" / "chip_0.tif") == {
        "read_as": [dict(zip(PRITHVI_BANDS, range(6), strict=True))],
        "notes": [],
    }


def test_a_model_records_the_files_that_it_was_trained_on(run, tmp_path):  # pitfalls 75, 77
    data = changed(tmp_path / "data", lambda path: None)
    for path in (data / "chips").iterdir():
        more_layers(path)
        with rasterio.open(path, "r+") as file:
            file.scales = (0.0001,) * 13
    status, _, err = run(f"root_dir={data}", *TABLES, *QUICK, "dataloader.bands=[0,1,2,3,4,5]")
    assert status == 0, err
    model = instageo.load_model(tmp_path / "run", device="cpu")
    settings: Settings = model.settings
    assert settings.dataloader.num_layers == 13
    assert settings.dataloader.tag_factor == pytest.approx(10_000)
    assert model.predict(data / "chips" / "chip_0.tif").classes.shape == (32, 32)
    six = changed(tmp_path / "six", lambda path: None)
    common = [f"root_dir={six}", *TABLES, "accelerator=cpu", "mode=eval", f"checkpoint_path={tmp_path / 'run'}"]
    status, _, err = run(*common, folder="refused")
    assert (status, "has 6 layers, expected 13 (as in the files that the model was trained on)" in err) == (1, True)
    status, _, err = run(*common, "dataloader.bands=[0,1,2,3,4,5]", folder="listed")
    assert status == 0, err
    for path in (six / "chips").iterdir():
        with rasterio.open(path, "r+") as file:
            file.scales = (0.01,) * 6
    status, _, err = run(*common, "dataloader.bands=[0,1,2,3,4,5]", folder="tagged")
    assert (status, "tags scale 0.01, offset 0, but scale 0.0001 is expected" in err) == (1, True)


@pytest.mark.parametrize(
    ("count", "sensor", "words"),
    [
        (13, "sentinel2_l2a", "has 13 layers, expected 12 (1 date x 12 bands of dataloader.sensor=sentinel2_l2a)"),
        (12, "landsat8_c2", "has 12 layers, expected 7 (1 date x 7 bands of dataloader.sensor=landsat8_c2)"),
    ],
)
def test_files_of_another_product_are_refused(run, tmp_path, count, sensor, words):  # pitfall 75
    def stack(path):
        chip = read_raster(path)
        write_raster(path, np.concatenate([chip.values] * 3)[:count], chip.grid)

    data = changed(tmp_path / "data", stack)
    status, _, err = run(f"root_dir={data}", "train_filepath=train.csv", "mode=check", f"dataloader.sensor={sensor}")
    assert (status, words in err) == (1, True)
    status, _, err = run(
        f"root_dir={data}", "train_filepath=train.csv", "mode=check", f"dataloader.sensor={sensor}",
        "dataloader.bands=[1,2,3,4,5,6]", folder="listed",
    )  # fmt: skip
    assert status == 0, err


def test_two_encodings_of_the_same_ground_give_one_map(trained, run, tmp_path):  # pitfall 77
    _, folder = trained
    plain = changed(tmp_path / "plain", lambda path: None)

    def encode(path):
        chip = read_raster(path, no_data_value=-9999)
        source = replace(read_info(path), scales=(0.0001,) * 6, offsets=(-0.1,) * 6)
        write_raster(path, np.where(chip.valid, chip.values + 1000, -9999), chip.grid, source=source)

    coded = changed(tmp_path / "coded", encode)
    results = []
    for data in (plain, coded):
        common = [f"root_dir={data}", *TABLES, "accelerator=cpu"]
        status, out, err = run(*common, "mode=stats")
        assert status == 0, err
        assert ("the offset in the tags" in err) == (data is coded)
        status, _, err = run(*common, "mode=chip_inference", f"checkpoint_path={folder}", f"output_dir={data / 'maps'}")
        assert status == 0, err
        maps = [read_raster(path).values for path in sorted((data / "maps" / "chips").glob("*.tif"))]
        cached = instageo.ChipDataset(data / "train.csv", cache="memory")
        results.append((json.loads(out)["mean"], maps, [cached[0]["image"], cached[0]["image"]]))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    assert all((one == two).all() for one, two in zip(results[0][1], results[1][1], strict=True))
    assert all((one == two).all() for one, two in zip(results[0][2], results[1][2], strict=True))


def test_labels_that_are_pictures(run, tmp_path):  # pitfall 78
    data = changed(tmp_path / "data", lambda path: None)
    counts = np.zeros(2, int)
    for path in (data / "labels").iterdir():
        label = read_raster(path)
        valid = read_raster(data / "chips" / path.name.replace("label", "chip"), no_data_value=-9999).valid.all(axis=0)
        counts += np.bincount(label.values[0][valid], minlength=2)
        blue = np.where(label.values[0] == 1, 255, 0).astype(np.uint8)
        write_raster(path, np.stack([blue * 0, blue * 0, blue]), label.grid)
    common = [f"root_dir={data}", "train_filepath=train.csv", "mode=stats"]
    status, _, err = run(*common)
    assert (status, "has 3 layers, but a label has one" in err) == (1, True)
    status, out, err = run(*common, "dataloader.label_colors=['#000000','#0000ff']", folder="colours")
    assert status == 0, err
    assert json.loads(out)["class_counts"] == counts.tolist()


def test_bands_that_are_text_are_refused(data):
    with pytest.raises(InstaGeoError, match=r"bands.*RED.*a list of names, such as"):
        instageo.ChipDataset(data / "train.csv", bands="RED")
    with pytest.raises(InstaGeoError, match=r"unknown band REDD; did you mean RED\?"):
        instageo.ChipDataset(data / "train.csv", bands=["REDD", "BLUE"])
