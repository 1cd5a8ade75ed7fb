"""Predictions: one file per chip, none overwrites another, on the chip's own pixels."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given
from hypothesis import strategies as st

from instageo.errors import DataError
from instageo.locations import join_location
from instageo.model.commands.chip_inference import build_output_paths
from instageo.model.inference.predictor import Predictor
from instageo.model.settings import ModelSettings, Settings
from instageo.raster.reading import read_info, read_raster
from instageo.table import Row

ROOT, FOLDER = Path("/data"), Path("/out")


def paths(*names, root=ROOT):
    rows = [Row(name, join_location(root, name), None) for name in names]
    return [path.relative_to(FOLDER).as_posix() for path in build_output_paths(rows, root, FOLDER)]


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (["a/chip_1.tif", "b/chip_1.tif"], ["a/prediction_1.tif", "b/prediction_1.tif"]),
        (["chip.tif"], ["prediction.tif"]),
        (["scene.tif"], ["scene.tif"]),
        (["chips/x.tif"], ["chips/x.tif"]),  # folders keep their names
        (["chip_1.jp2"], ["prediction_1.tif"]),
        (["chip.2020.tif"], ["prediction.2020.tif"]),
        (["x"], ["x.tif"]),
        (["chip.tif", "prediction.tif"], ["chip.tif", "prediction.tif"]),
        (["prediction.tif", "chip.tif"], ["prediction.tif", "chip.tif"]),
        (["x.tif", "x.jp2"], ["x.tif", "x.jp2.tif"]),
        (["chip.tif", "chip.jp2"], ["chip.tif", "chip.jp2.tif"]),
        (["a/../b/chip.tif", "a/chip.tif"], ["b/prediction.tif", "a/prediction.tif"]),
        (["/elsewhere/chip.tif"], ["elsewhere/prediction.tif"]),
        (["../other/chip.tif", "chip.tif"], ["other/prediction.tif", "prediction.tif"]),
    ],
)
def test_output_paths(inputs, outputs):  # pitfall 5
    assert paths(*inputs) == outputs


def test_output_paths_below_a_relative_root(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert paths("a/chip.tif", "b/chip.tif", root=Path("data")) == ["a/prediction.tif", "b/prediction.tif"]


@pytest.mark.parametrize(
    ("root", "inputs", "outputs"),
    [
        ("s3://bucket/floods", ["a/chip.tif", "b/chip.tif"], ["a/prediction.tif", "b/prediction.tif"]),
        ("s3://bucket/floods/", ["s3://bucket/floods/a/chip.tif"], ["a/prediction.tif"]),
        ("s3://bucket/flood", ["s3://bucket/floods/chip.tif"], ["bucket/floods/prediction.tif"]),
        (
            "https://host/d",
            ["s3://bucket/chip.tif", "/data/chip.tif"],
            ["bucket/prediction.tif", "data/prediction.tif"],
        ),
        ("/data", ["https://user:key@host:81/a/chip.tif?sig=key"], ["host_81/a/prediction.tif"]),
        (
            "/data",
            ["https://host/../../chip.tif", "/vsizip/a.zip/x.tif"],
            ["host/prediction.tif", "vsizip/a.zip/x.tif"],
        ),
    ],
)
def test_output_paths_of_remote_chips(root, inputs, outputs):  # pitfall 5
    assert paths(*inputs, root=root) == outputs


stems = st.sampled_from(["chip", "prediction", "x", "chip_chip", "prediction_chip", "x.tif", "chip.jp2"])
names = st.builds(
    "{}{}{}".format, st.sampled_from(["", "a/", "b/", "/a/"]), stems, st.sampled_from([".tif", ".TIF", ".jp2", ""])
)


@given(st.lists(names, min_size=1, max_size=8, unique=True))
def test_all_outputs_differ(inputs):  # pitfall 5
    try:
        outputs = paths(*inputs)
    except DataError:
        return  # refused, so that nothing is overwritten; see the next test
    assert len(set(outputs)) == len(inputs)
    assert all(output.endswith(".tif") for output in outputs)


@pytest.mark.parametrize("inputs", [["x.jp2", "x.tif", "x.jp2.tif"], ["/a/chip.tif", "a/chip.tif"]])
def test_inputs_with_the_same_output_are_refused(inputs):  # pitfall 5
    with pytest.raises(DataError, match="would both be written to"):
        paths(*inputs)


@pytest.mark.parametrize(
    ("classes", "kind", "missing"),
    [(2, "uint8", 255), (200, "uint8", 255), (254, "uint8", 255), (255, "uint16", 65535)],
)
def test_a_map_lies_on_the_chip_and_keeps_missing_pixels(tmp_path, grid, classes, kind, missing):  # pitfalls 2, 4, 6
    chip_grid = grid(9, 7).window(2, 3, 2, 3)
    predictor = Predictor(torch.nn.Identity(), Settings(model=ModelSettings(num_classes=classes)))
    logits = torch.zeros(classes, 2, 3)
    logits[classes - 1, 0], logits[1, 1] = 1, 2
    valid = torch.tensor([[[True, False, True], [True, True, True]], [[True, False, False], [True, True, True]]])
    prediction = predictor.prediction(logits, valid, chip_grid)
    prediction.save(tmp_path / "a" / "map.tif")
    last = classes - 1
    raster, info = read_raster(tmp_path / "a" / "map.tif"), read_info(tmp_path / "a" / "map.tif")
    assert raster.values.tolist() == [[[last, missing, last], [1, 1, 1]]]
    assert raster.valid.tolist() == [[[True, False, True], [True, True, True]]]
    assert (raster.grid, raster.bands) == (chip_grid, ("class",))
    assert (info.dtype, info.no_data_value) == (kind, missing)
    assert prediction.probabilities.shape == (classes, 2, 3)  # pitfall 8
    np.testing.assert_allclose(prediction.probabilities.sum(0), [[1, np.nan, 1], [1, 1, 1]], rtol=1e-5)


def test_a_map_has_class_names_and_colours(tmp_path, grid):
    model = ModelSettings(class_names=["dry", "water"], class_colors=[[1, 2, 3], [4, 5, 6]])
    predictor = Predictor(torch.nn.Identity(), Settings(model=model))
    prediction = predictor.prediction(torch.zeros(2, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool), grid(1, 1))
    prediction.save(tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as source:
        assert source.tags(1)["CLASS_1"] == "water"
        assert source.colormap(1)[0] == (1, 2, 3, 255)
        assert source.colormap(1)[1] == (4, 5, 6, 255)


def test_a_map_of_an_array_cannot_be_written(tmp_path):
    predictor = Predictor(torch.nn.Identity(), Settings())
    prediction = predictor.prediction(torch.zeros(2, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool), None)
    with pytest.raises(DataError, match="no grid"):
        prediction.save(tmp_path / "map.tif")
