"""Chips in a store: statistics and maps are those of the same chips on disk."""

import json
import shutil

import pytest

from instageo.table import write_table

TABLES = ["train_filepath=train.csv", "test_filepath=train.csv"]


@pytest.fixture
def served(trained, store):
    """The chips at a URL, their tables on disk and there."""
    shutil.copytree(trained[0], store[0], dirs_exist_ok=True)
    return store


def test_statistics_of_chips_at_a_url(trained, served, run, tmp_path, monkeypatch):
    monkeypatch.chdir(trained[0])  # where the table lies
    _, near, _ = run("mode=stats", f"root_dir={trained[0]}", *TABLES)
    status, far, err = run("mode=stats", f"root_dir={served[1]}", *TABLES, folder="far")
    assert status == 0, err
    assert json.loads(far) == json.loads(near)


def test_maps_of_chips_at_urls(trained, served, run, tmp_path):  # pitfalls 5, 7
    data, folder = trained
    names = ["chips/chip_0.tif", f"{served[1]}/chips/chip_0.tif?sig=secret", f"{served[1]}/other/chip_0.tif"]
    (served[0] / "other").mkdir()
    shutil.copy(data / "chips" / "chip_1.tif", served[0] / "other" / "chip_0.tif")
    write_table(tmp_path / "new.csv", [{"Input": name} for name in names])
    common = ["mode=chip_inference", f"test_filepath={tmp_path / 'new.csv'}", f"checkpoint_path={folder}"]
    status, _, err = run(*common, f"root_dir={data}", f"output_dir={tmp_path / 'maps'}")
    assert status == 0, err
    below = tmp_path / "maps" / served[1].removeprefix("http://").replace(":", "_")
    local = (tmp_path / "maps" / "chips" / "prediction_0.tif").read_bytes()
    assert (below / "chips" / "prediction_0.tif").read_bytes() == local
    assert (below / "other" / "prediction_0.tif").read_bytes() != local
    assert "secret" not in (tmp_path / "run" / "run.log").read_text()


def test_missing_files_in_a_store_are_reported_in_one_sentence(served, run, tmp_path):
    write_table(tmp_path / "new.csv", [{"Input": f"{name}.tif", "Label": f"{name}.tif"} for name in "ab"])
    status, _, err = run("mode=stats", f"root_dir='{served[1]}?sig=secret'", f"train_filepath={tmp_path / 'new.csv'}")
    assert status == 1
    assert (
        f"2 of 2 rows cannot be used: {served[1]}/a.tif: no such file (the store answers 404); check the path, root_dir"
        in err
    )
    assert "(and 1 more like it)" in err
    assert "secret" not in err


def test_predictions_cannot_be_written_to_a_store(trained, served, run):
    common = ["mode=chip_inference", f"root_dir={trained[0]}", *TABLES, f"checkpoint_path={trained[1]}"]
    status, _, err = run(*common, "output_dir=s3://bucket/maps")
    assert status == 1
    assert "output_dir=s3://bucket/maps: predictions are written to a local folder; set output_dir to one" in err
