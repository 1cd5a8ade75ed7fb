"""Every way into the program sees the mask of a file: half of the chip is masked, so half of it counts.

`test_serving.py` tests the same of the server.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

import instageo
from instageo.data.scene_chips.cut_chips import cut_chips
from instageo.errors import ConfigError
from instageo.model.context import Run
from instageo.model.dataset.from_settings import chip_reader_from_settings
from instageo.model.inspection.tables import inspect_table
from instageo.model.run import main
from instageo.model.settings import Settings
from instageo.model.settings.compose import update_settings
from instageo.raster.grid import Grid
from instageo.raster.ground_control import ControlPoints
from instageo.raster.reading import read_info, read_raster
from instageo.raster.writing import write_raster
from instageo.table import write_table
from tests.integration.conftest import QUICK, write_chips
from tests.integration.test_check_command import printed_lines
from tests.tiffs import MASK_KINDS, UTM_AREA_SCALE, set_tag_text, write_layer_tags, write_masked_tiff

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")

BANDS = "dataloader.bands=[0,1,2,3,4,5]"
SIDE = 32
SEEN = np.ones((SIDE, SIDE), bool)
SEEN[:, : SIDE // 2] = False
"""Mask of a chip: its left half was not observed."""

KINDS = [*MASK_KINDS, "aux"]
"""Where the mask is; `aux` is a no-data tag in the side-car file `.aux.xml`."""

UTM_WKT = CRS.from_epsg(32614).to_wkt()


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Folder with a trained network (`run`), chips masked in four ways, their label and a table for each way."""
    folder = tmp_path_factory.mktemp("masks")
    data = write_chips(folder / "data")
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    assert main([*tables, *QUICK, BANDS, f"hydra.run.dir={folder / 'run'}"]) == 0
    values = np.full((6, SIDE, SIDE), 1000, np.int16)
    values[:, ~SEEN] = 20_000  # what is below a mask must not matter
    for kind in MASK_KINDS:
        write_masked_tiff(folder / f"{kind}.tif", values, SEEN, kind)
    write_masked_tiff(folder / "aux.tif", values, SEEN, None)
    write_layer_tags(folder / "aux.tif", [20_000] * 6)
    label = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 2).astype(np.uint8)
    write_raster(folder / "label.tif", label[None], read_raster(folder / "aux.tif").grid)
    write_masked_tiff(folder / "masked_label.tif", label[None], SEEN, "internal")
    for kind in KINDS:
        write_table(folder / f"{kind}.csv", [{"Input": f"{kind}.tif", "Label": "label.tif"}])
    write_table(folder / "labels.csv", [{"Input": "unmasked.tif", "Label": "masked_label.tif"}])
    write_masked_tiff(folder / "unmasked.tif", values, SEEN, None)
    return folder


def run_mode(base, folder, *arguments):
    return main([f"root_dir={base}", BANDS, "accelerator=cpu", f"hydra.run.dir={folder / 'mode'}", *arguments])


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_and_labels(base, tmp_path, kind):  # pitfall 70
    assert run_mode(base, tmp_path, "mode=stats", f"train_filepath={kind}.csv") == 0
    result = json.loads((tmp_path / "mode" / "stats.json").read_text())
    assert result["valid_fraction"] == 0.5
    assert (result["mean"], result["std"]) == ([1000] * 6, [0] * 6)
    assert result["class_counts"] == [256, 256]  # of 1024 pixels


def test_masked_labels_are_no_labels(base, tmp_path):  # pitfall 70
    assert run_mode(base, tmp_path, "mode=stats", "train_filepath=labels.csv") == 0
    result = json.loads((tmp_path / "mode" / "stats.json").read_text())
    assert (result["valid_fraction"], result["class_counts"]) == (1, [256, 256])


def test_the_check_says_which_chips_have_a_mask(base, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    write_table(base / "all.csv", [{"Input": f"{name}.tif", "Label": "label.tif"} for name in ("unmasked", *KINDS[:2])])
    assert run_mode(base, tmp_path, "mode=check", "train_filepath=all.csv") == 0
    lines = printed_lines(capsys.readouterr().out)
    assert lines["chips with a mask"] == ["1 (internal), 1 (side-car)"]
    assert lines["valid pixels"] == ["66.7%"]


@pytest.mark.parametrize("cache", ["none", "memory", "disk"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_samples(base, tmp_path, kind, cache):  # pitfall 70
    values = {"root_dir": str(base), "train_filepath": f"{kind}.csv", "dataloader.bands": list(range(6))}
    options = {"dataloader.cache": cache, "dataloader.cache_dir": str(tmp_path)}
    run = Run(update_settings(Settings(), values | options), tmp_path)
    reader = chip_reader_from_settings(run.settings, inspect_table(run, "train_filepath"))
    for _ in range(2):  # the second time from the cache
        sample = reader.read(0)
        np.testing.assert_array_equal(sample.valid[0], SEEN)
        np.testing.assert_array_equal(sample.label >= 0, SEEN)
    part = reader.read(0, (slice(0, 4), slice(SIDE // 2 - 1, SIDE // 2 + 3)))
    assert part.valid[0].tolist() == [[False, True, True, True]] * 4


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_maps(base, tmp_path, engine):  # pitfall 70
    write_table(tmp_path / "new.csv", [{"Input": f"{kind}.tif"} for kind in KINDS])
    arguments = ["mode=chip_inference", f"test_filepath={tmp_path / 'new.csv'}", f"checkpoint_path={base / 'run'}"]
    assert run_mode(base, tmp_path, *arguments, f"output_dir={tmp_path / 'maps'}", f"engine={engine}") == 0
    for kind in KINDS:
        np.testing.assert_array_equal(read_raster(tmp_path / "maps" / f"{kind}.tif").valid[0], SEEN)


@pytest.mark.parametrize("kind", KINDS)
def test_areas_of_a_prediction(base, kind):  # pitfall 70
    prediction = instageo.load_model(base / "run", device="cpu").predict(base / f"{kind}.tif")
    np.testing.assert_array_equal(prediction.valid, SEEN)
    assert sum(prediction.areas("ha").values()) == pytest.approx(512 * 0.09 / UTM_AREA_SCALE)  # pixels of 30 m


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_with_scaled_no_data(base, dtype):
    """-9999 x 0.0001 in float32 and in float64 may differ in the last bit; both mean no-data."""
    model = instageo.load_model(base / "run", device="cpu")
    scale = {"dataloader.constant_multiplier": 1e-4, "dataloader.no_data_value": -9999}
    scaled = replace(model, settings=update_settings(model.settings, scale))
    values = np.where(SEEN, 1000, -9999).astype(dtype) * np.dtype(dtype).type(1e-4)
    np.testing.assert_array_equal(scaled.predict(np.broadcast_to(values, (6, SIDE, SIDE))).valid, SEEN)


def test_complex_arrays_are_refused(base):  # pitfall 73
    model = instageo.load_model(base / "run", device="cpu")
    with pytest.raises(ConfigError, match="expected an array of real numbers, with pixels; it is complex64 of the"):
        model.predict(np.ones((6, 8, 8), np.complex64))


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_chips_cut_from_a_scene(base, tmp_path, kind):  # pitfall 70
    report = cut_chips(base / f"{kind}.tif", base / "label.tif", tmp_path, size=24)
    assert [sum(chip.class_counts.values()) for chip in report.chips] == [24 * 8, 24 * 8, 8 * 8, 8 * 8]
    for chip in report.chips:
        rows, columns = slice(chip.row, chip.row + 24), slice(chip.column, chip.column + 24)
        raster = read_raster(tmp_path / chip.input)
        assert raster.values.shape[0] == 6
        np.testing.assert_array_equal(raster.valid, [SEEN[rows, columns]] * 6)


def test_a_tag_that_does_not_fit_is_reported(tmp_path, capsys):  # pitfall 71
    write_raster(tmp_path / "chip.tif", np.ones((6, 4, 4), np.uint16), grid_of(4), no_data_value=7)
    write_raster(tmp_path / "label.tif", np.ones((1, 4, 4), np.uint8), grid_of(4), no_data_value=7)
    set_tag_text(tmp_path / "chip.tif", "-9999")
    set_tag_text(tmp_path / "label.tif", "-1")
    write_table(tmp_path / "train.csv", [{"Input": "chip.tif", "Label": "label.tif"}])
    assert run_mode(tmp_path, tmp_path, "mode=check", "train_filepath=train.csv") == 0
    log = capsys.readouterr().err
    assert "chips: the no-data tag -9999 does not fit uint16, so no pixel is no-data (1 of 1 files)" in log
    assert "labels: the no-data tag -1 does not fit uint8, so no pixel is no-data (1 of 1 files)" in log


def grid_of(side):
    return Grid(UTM_WKT, Affine(30, 0, 500_000, 0, -30, 4_000_000), side, side)


def test_maps_keep_control_points(base, tmp_path):  # pitfall 72
    points = ControlPoints(
        UTM_WKT, tuple((r, c, 5e5 + 30 * c, 4e6 - 30 * r, 0.0) for r in (0.0, 32.0) for c in (0.0, 32.0))
    )
    grid = Grid(None, Affine.identity(), SIDE, SIDE, points)
    write_raster(tmp_path / "gcp.tif", np.ones((6, SIDE, SIDE), np.int16), grid)
    instageo.load_model(base / "run", device="cpu").predict(tmp_path / "gcp.tif").save(tmp_path / "map.tif")
    assert read_info(tmp_path / "map.tif").grid == grid
