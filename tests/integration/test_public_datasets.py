"""From a public data set's folder to a trained network with the commands that `instageo table` shows."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from typer.testing import CliRunner

from instageo.cli import app
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster
from tests.integration.conftest import QUICK, SIDE

REAL = Path(__file__).parents[3] / "shared" / "data" / "sen1floods11"

FILES = {
    "sen1floods11": ("S2Hand/Ghana_{0}_S2Hand.tif", "LabelHand/Ghana_{0}_LabelHand.tif", 13, np.int16, (-1, 2)),
    "hls_crops": ("{1}_chips/chip_00{0}_000_merged.tif", "{1}_chips/chip_00{0}_000.mask.tif", 18, np.int16, (0, 14)),
    "hls_burn_scars": (
        "{1}/HLS.S30.T10SDH.202024{0}.v1.4_merged.tif", "{1}/HLS.S30.T10SDH.202024{0}.v1.4.mask.tif", 6, np.float32,
        (-1, 2),
    ),
}  # fmt: skip
"""Chip, label, number of layers, their type and the range of labels, by layout."""


@pytest.fixture
def command():
    """Function that calls `instageo table` and returns the arguments of the command that it shows."""

    def call(*arguments):
        result = CliRunner().invoke(app, ["table", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        words = shlex.split(result.output.splitlines()[-1])
        assert words[:2] == ["instageo", "run"]
        return [word for word in words[2:] if not word.startswith("hydra.run.dir")]

    return call


@pytest.mark.parametrize("layout", FILES)
def test_the_command_shown_trains(layout, command, run, tmp_path):
    chip, label, layers, kind, (low, high) = FILES[layout]
    rng, grid = np.random.default_rng(0), Grid("EPSG:32614", Affine(30, 0, 500_000, 0, -30, 4_000_000), SIDE, SIDE)
    for number in range(4):
        part = "training" if number < 3 else "validation"
        values = rng.integers(500, 4000, (layers, SIDE, SIDE)) / (10_000 if kind is np.float32 else 1)
        write_raster(tmp_path / "data" / chip.format(number, part), values.astype(kind), grid)
        truth = rng.integers(low, high, (1, SIDE, SIDE)).astype(np.int16)
        write_raster(tmp_path / "data" / label.format(number, part), truth, grid)
    if layout == "sen1floods11":
        (tmp_path / "data" / "flood_train_data.csv").write_text("Ghana_0_S1Hand.tif\nGhana_1_S1Hand.tif\nGhana_2\n")
        (tmp_path / "data" / "flood_valid_data.csv").write_text("Ghana_3_S1Hand.tif,Ghana_3_LabelHand.tif\n")
    status, out, err = run(*command(layout, tmp_path / "data"), *QUICK)
    assert status == 0, err
    assert "train.csv: 3 chips" in err
    assert "mIoU" in out


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real chip is not here ({REAL})")
def test_a_real_chip_of_the_floods_is_counted(command, run, tmp_path):
    arguments = command("sen1floods11", REAL, "--output", tmp_path / "tables")
    status, out, err = run(*arguments)
    assert status == 0, err
    stats = json.loads(out)
    assert len(stats["mean"]) == 6
    assert 0 < sum(stats["class_counts"]) <= 512 * 512
    assert 0 < min(stats["mean"]) < max(stats["mean"]) < 1  # reflectance
