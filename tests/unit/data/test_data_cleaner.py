"""The command: wrong input is one sentence, and tables of others are read as told."""

import json

import numpy as np
import pytest
from affine import Affine

from instageo.data import CleanSettings
from instageo.data.chip_facts.layout import chip_layout
from instageo.data.chip_facts.rows import read_chip_table
from instageo.data.cleaning.table_cleaning import check_table
from instageo.data.data_cleaner import main
from instageo.errors import ConfigError
from instageo.raster.grid import Grid
from tests.cleaning import ChipTableWriter, chip_grid, ground_chip

HEADER, ROW = "Input,Label,dates\n", "a.tif,b.tif,2024-05-01\n"


@pytest.mark.parametrize(("content", "options", "message"), [
    (None, [], "does not exist"),
    ("", [], "the table has no rows; expected at least one chip"),
    (HEADER, [], "the table has no rows; expected at least one chip"),
    ("image,mask\na,b\n", [], "no column 'Input'; found ['image', 'mask']"),
    (HEADER + ROW, ["--verdicts=clod=drop"], "unknown check clod; the checks are readable"),
    (HEADER + ROW, ["--verdicts=cloud=delete"], "cloud=delete does not work; expected warn, drop, off"),
    (HEADER + ROW, ["--quality=QA"], "quality=QA: the table has no such column; it has Input, Label, dates"),
    (HEADER + ROW, ["--apply-mask"], "apply_mask needs a mask"),
    (HEADER + ROW, ["--quality=dates", "--mask=clouds"], "mask: fmask has no flag clouds"),
    (HEADER + ROW, ["--unit=radiance"], "unit=radiance is unknown; choose one of auto, reflectance, radar, other"),
    (HEADER + ROW, ["--value-range=5"], "value_range=(5.0,) does not work; expected two increasing numbers"),
    (HEADER + ROW, ["--min-clear=2"], "min_clear=2.0 does not work; expected a share from 0 to 1"),
])  # fmt: skip
def test_wrong_input_is_one_sentence(content, options, message, tmp_path, capsys):
    path = tmp_path / "chips.csv"
    if content is not None:
        path.write_text(content)
    assert main([str(path), *options]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


def test_a_damaged_settings_file_is_one_sentence(tmp_path, capsys):
    (tmp_path / "chips.csv").write_text(HEADER + ROW)
    (tmp_path / "settings.json").write_text("{")
    assert main([str(tmp_path / "chips.csv")]) == 1
    assert "settings.json: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(("loader", "options", "expected"), [
    ({}, {}, (None, (), None, None, "reflectance")),
    ({"temporal_dim": 3, "band_names": ["A"], "no_data_value": -1}, {}, (3, ("A",), None, -1.0, "reflectance")),
    ({"temporal_dim": 3, "bands": [4, 5]}, {"steps": 2}, (2, (), (4, 5), None, "reflectance")),
    ({"sensor": "sentinel1_rtc"}, {}, (None, (), None, None, "radar")),
    ({"band_names": ["VV", "VH"]}, {}, (None, ("VV", "VH"), None, None, "radar")),
    ({"constant_multiplier": 0.0001}, {}, (None, (), None, None, "other")),
    ({"sensor": "sentinel1_rtc"}, {"unit": "other"}, (None, (), None, None, "other")),
])  # fmt: skip
def test_options_come_before_what_the_settings_next_to_the_table_say(loader, options, expected):
    layout = chip_layout(CleanSettings("chips.csv", **options), {"dataloader": loader})
    assert (layout.steps, layout.bands, layout.layers, layout.no_data, layout.unit) == expected


def test_settings_of_another_kind_are_one_sentence():
    with pytest.raises(ConfigError, match=r"settings\.json next to the table does not work"):
        chip_layout(CleanSettings("chips.csv"), {"dataloader": {"temporal_dim": "many"}})


@pytest.mark.parametrize(("labels", "described", "content", "expected"), [
    ("auto", None, "Input,Label\na.tif,b.tif\n", True),
    ("auto", None, "Input,Label\na.tif,3\n", False),
    ("auto", None, "Input,Label\na.tif,forest;water\n", False),
    ("auto", "raster", "Input,Label\na.tif,labels/3\n", True),
    ("value", None, "Input,Label\na.tif,b.tif\n", False),
])  # fmt: skip
def test_labels_are_files_or_values(labels, described, content, expected, tmp_path):
    (tmp_path / "chips.csv").write_text(content)
    assert read_chip_table(str(tmp_path / "chips.csv"), labels, described).labels_are_files is expected


def test_a_json_table_with_labels_of_whole_chips_is_read(tmp_path):
    writer = ChipTableWriter(tmp_path)
    writer.add("one", *ground_chip(np.random.default_rng(1), 32), chip_grid(0, 32))
    record = {"Input": "chips/one.tif", "Label": ["Wald", "See"], "dates": ["2024-05-01"]}
    (tmp_path / "chips.json").write_text(json.dumps([record]))
    checked = check_table(CleanSettings(str(tmp_path / "chips.json"), threads=1))
    assert checked.measured.chips[0].label.counts == {"Wald": 1, "See": 1}
    assert checked.results.findings == ()


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_a_quality_layer_of_the_chip_itself_tells_clouds(tmp_path):
    values, label = ground_chip(np.random.default_rng(2), 32)
    quality = np.zeros((1, 32, 32), np.int16)
    quality[0, :20] = 0b10
    writer = ChipTableWriter(tmp_path)
    writer.add("one", np.concatenate([values, quality]), label, Grid(None, Affine.identity(), 32, 32))
    settings = CleanSettings(writer.write(), layers=(0, 1, 2, 3, 4, 5), quality="6", threads=1)
    [entry] = check_table(settings).results.findings
    assert (entry.check, entry.finding.value) == ("cloud", "37.5% of the pixels are clear")
