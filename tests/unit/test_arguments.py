"""Arguments of the Python API are made plain, or refused in one sentence that names them."""

from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

import instageo
from instageo import arguments
from instageo.errors import ConfigError


@pytest.mark.parametrize(
    ("function", "value", "plain"),
    [
        (arguments.as_whole_number, np.int64(4), 4),
        (arguments.as_size, 16, (16, 16)),
        (arguments.as_size, np.int64(16), (16, 16)),
        (arguments.as_size, [16, 32], (16, 32)),
        (arguments.as_bands, ("RED", "NIR"), ["RED", "NIR"]),
        (arguments.as_bands, np.arange(3), [0, 1, 2]),
        (arguments.as_path, Path("a/b"), "a/b"),
        (arguments.as_lat_lon, np.array([45, -120.5]), (45.0, -120.5)),
        (arguments.as_lat_lon, None, None),
        (arguments.as_dates, (), ()),
        (arguments.as_dates, "2024-03-05", (date(2024, 3, 5),)),
        (arguments.as_dates, "2024-03-05;2024-06-12", (date(2024, 3, 5), date(2024, 6, 12))),
        (arguments.as_dates, date(2024, 3, 5), (date(2024, 3, 5),)),
        (arguments.as_dates, [datetime(2024, 3, 5, 23)], (date(2024, 3, 5),)),
        (arguments.as_dates, np.array(["2024-03-05"], "datetime64[ns]"), (date(2024, 3, 5),)),
        (arguments.as_dates, [pandas.Timestamp("2024-03-05T12:00")], (date(2024, 3, 5),)),
        (arguments.as_scores, {"val_mIoU": torch.tensor(0.5)}, {"val_mIoU": 0.5}),
    ],
)
def test_what_is_taken(function, value, plain):
    assert function("it", value) == plain


@pytest.mark.parametrize(
    ("function", "value", "words"),
    [
        (arguments.as_whole_number, "4", "it='4' does not work; expected a whole number of at least 1"),
        (arguments.as_whole_number, 0, "it=0 does not work; expected a whole number of at least 1"),
        (arguments.as_whole_number, True, "it=True does not work; expected a whole number of at least 1"),
        (arguments.as_size, 16.5, "it=16.5 does not work; expected a whole number of pixels, or (height, width)"),
        (arguments.as_size, (16,), "it=(16,) does not work; expected a whole number of pixels, or (height, width)"),
        (arguments.as_bands, 5, "it=5 does not work; expected a list of names"),
        (arguments.as_bands, "RED", "it='RED' does not work; expected a list of names"),
        (arguments.as_bands, ["RED", 1], "it=['RED', 1] does not work; expected a list of names"),
        (arguments.as_path, None, "it=None does not work; expected a path"),
        (arguments.as_path, torch.nn.Linear(1, 1), "it=Linear(in_features=1, out_features=1, bias=True) does not work"),
        (arguments.as_lat_lon, (100, 0), "it=(100, 0) does not work; expected (latitude, longitude) in degrees"),
        (arguments.as_lat_lon, (float("nan"), 0), "it=(nan, 0) does not work; expected (latitude, longitude)"),
        (arguments.as_lat_lon, "1,2", "it='1,2' does not work; expected (latitude, longitude) in degrees"),
        (arguments.as_dates, ["tomorrow"], "it='tomorrow' does not work; expected dates such as"),
        (arguments.as_dates, [5], "it=5 does not work; expected dates such as"),
        (arguments.as_scores, {"a": "b"}, "it={'a': 'b'} does not work; expected numbers by name"),
    ],
)
def test_what_is_refused(function, value, words):
    with pytest.raises(ConfigError) as raised:
        function("it", value)
    assert str(raised.value).startswith(words)


def test_a_long_value_is_shown_by_its_type():
    with pytest.raises(ConfigError, match=r"^it=\(a Sequential\) does not work"):
        arguments.as_path("it", torch.nn.Sequential(*(torch.nn.Linear(1, 1) for _ in range(9))))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: instageo.ChipDataset(5),
            r"table=5 does not work; expected the path or URL of a table, or a DataFrame",
        ),
        (lambda: instageo.ChipDataset("t.csv", bands=5), "bands=5 does not work"),
        (lambda: instageo.ChipDataset("t.csv", crop_size=16.5), "crop_size=16.5 does not work"),
        (lambda: instageo.ChipDataset("t.csv", statistics=(1, 2)), r"statistics=\(1, 2\) does not work"),
        (lambda: instageo.ChipDataset("t.csv", augmentations="hflip"), "augmentations='hflip' does not work"),
        (lambda: instageo.ChipDataModule("t.csv", batch_size="4"), "batch_size='4' does not work"),
        (lambda: instageo.ChipDataModule("t.csv", num_workers=-1), "num_workers=-1 does not work"),
        (lambda: instageo.ChipDataModule("t.csv").setup("train"), "stage='train' does not work; expected one of fit"),
        (lambda: instageo.ChipDataModule("t.csv").setup("validate"), "there is no val table; pass val="),
        (lambda: instageo.load_model(None), "source=None does not work"),
        (lambda: instageo.build_network("prithvi_eo_tiny", num_classes="2"), "num_classes='2' does not work"),
        (lambda: instageo.build_network("prithvi_eo_tiny", num_classes=2, bands=[0, 1]), "expected names, such as"),
        (lambda: instageo.build_encoder("prithvi_eo_tiny", depth=1.5), "depth=1.5 does not work"),
        (lambda: instageo.SegmentationTask("net"), "net='net' does not work; expected a network from"),
        (
            lambda: instageo.SegmentationTask(torch.nn.Linear(2, 2)),
            r"net=Linear\(.*forward takes \(image, temporal",
        ),
        (lambda: instageo.save_model(torch.nn.Linear(2, 2), None), "folder=None does not work; expected a folder"),
        (
            lambda: instageo.save_model("net", "x", data="train.csv"),
            "data='train.csv' does not work; expected the Chip",
        ),
    ],
)
def test_every_entry_checks_its_arguments(call, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("Input,Label\na.tif,b.tif\n")
    with pytest.raises(ConfigError, match=words):
        call()
