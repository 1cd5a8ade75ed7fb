"""Real chips, where they are at hand: sizes, nodata and dates as users have them."""

from pathlib import Path

import numpy as np
import pytest

from instageo.raster import read_info, read_raster
from tests.integration.conftest import QUICK

REAL = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real chips are not here ({REAL})")


def test_a_512_pixel_chip_is_mapped_whole_and_alike_twice(run, tmp_path):  # pitfalls 1, 2, 6
    data = REAL / "sen1floods11"
    tables = [f"root_dir={data}", "train_filepath=all.csv", "valid_filepath=all.csv"]
    status, _, err = run("--config-name=sen1floods11", *tables, *QUICK, "dataloader.img_size=128")
    assert status == 0, err
    checkpoint = f"checkpoint_path={tmp_path / 'run'}"
    for name in ("first", "second"):
        arguments = [f"root_dir={data}", "test_filepath=all.csv", checkpoint, f"output_dir={tmp_path / name}"]
        status, _, err = run("mode=chip_inference", *arguments, folder=f"maps_{name}")
        assert status == 0, err
    [first], [second] = ((tmp_path / name).glob("**/*.tif") for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    chip = data / "S2Hand" / "Spain_7370579_S2Hand.tif"
    assert read_info(first).grid == read_info(chip).grid
    assert read_info(first).grid.shape == (512, 512)
    seen = read_raster(chip, [1, 2, 3, 8, 11, 12]).valid.all(axis=0)
    np.testing.assert_array_equal(read_raster(first).valid[0], seen)


@pytest.mark.parametrize(
    ("folder", "tables", "classes"),
    [("hls_multitemporal", ("train", "val"), 8), ("chip_with_missing_date", ("all", "all"), 13)],
)
def test_three_dates_train_and_score(folder, tables, classes, run):  # pitfall 21
    names = [f"train_filepath={tables[0]}.csv", f"valid_filepath={tables[1]}.csv", f"root_dir={REAL / folder}"]
    wanted = ["dataloader.temporal_dim=3", "dataloader.reduce_to_zero=true", f"model.num_classes={classes}"]
    status, out, err = run(*names, *wanted, *QUICK)
    assert status == 0, err
    assert "mIoU" in out
    assert "date 3: layers [12, 13, 14, 15, 16, 17]" in err
