"""Disks that are full, limited or read-only: nothing is lost or half-written, and one sentence says which file."""

import json
import subprocess
import tempfile

import pytest
import rasterio

from instageo.model.networks.checkpoint import read_checkpoint
from tests.disks import file_size_limit, mounted_disk
from tests.integration.conftest import QUICK

TABLES = ["train_filepath=train.csv", "valid_filepath=valid.csv"]


def test_a_disk_that_refuses_a_checkpoint_is_named_and_the_others_stay(data, run, tmp_path):  # pitfalls 81, 82
    arguments = [f"root_dir={data}", *TABLES, *QUICK, "logger=none"]
    with file_size_limit(8_000_000):  # less than last.ckpt with the state of the optimiser
        status, out, err = run(*arguments)
    last = tmp_path / "run" / "last.ckpt"
    assert status == 1
    assert "Traceback" not in out + err
    assert err.splitlines()[-1].startswith(f"error: {last}: cannot be written: File too large (disk /")
    assert read_checkpoint(tmp_path / "run").metrics
    assert not list((tmp_path / "run").glob(".*.part"))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("logger", ["none", "tensorboard"])
def test_a_full_disk_is_one_sentence(data, run, tmp_path, logger):  # pitfall 81
    with mounted_disk(tmp_path / "disk", "6m"):
        arguments = [f"root_dir={data}", *TABLES, *QUICK, f"logger={logger}"]
        status, out, err = run(*arguments, folder="disk/run")
        assert status == 1
        assert "Traceback" not in out + err
        assert err.splitlines()[-1].startswith(f"error: {tmp_path / 'disk' / 'run'}/")
        assert f"No space left on device (disk {tmp_path / 'disk'}, " in err.splitlines()[-1]


def test_a_small_folder_for_temporary_files_does_not_matter(data, run, tmp_path, monkeypatch):  # pitfall 82
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "small"))
    with mounted_disk(tmp_path / "small", "64k"):
        status, _, err = run(f"root_dir={data}", *TABLES, *QUICK)
    assert status == 0, err


@pytest.mark.parametrize("mode", ["train", "stats"])
def test_a_read_only_run_folder_is_one_sentence(data, run, tmp_path, mode):  # pitfall 81
    with mounted_disk(tmp_path / "disk", "64k") as make_read_only:
        (tmp_path / "disk" / "run").mkdir()
        (tmp_path / "disk" / "run" / "run.log").touch()
        make_read_only()
        for folder in ("disk/run", "disk/new"):
            status, out, err = run(f"mode={mode}", f"root_dir={data}", *TABLES, folder=folder)
            assert status == 1
            assert "Traceback" not in out + err
            [line] = [line for line in err.splitlines() if line.startswith("error: ")]
            assert line.startswith(f"error: {tmp_path / folder}")
            assert f"Read-only file system (disk {tmp_path / 'disk'}, " in line


def test_maps_that_the_disk_refuses_are_made_again(trained, run, tmp_path):  # pitfall 80
    data, folder = trained
    (data / "all.csv").write_text("Input\n" + "".join(f"chips/chip_{number}.tif\n" for number in range(6)))
    disk, maps = tmp_path / "disk", tmp_path / "disk" / "maps"
    arguments = ["mode=chip_inference", f"root_dir={data}", "test_filepath=all.csv", f"checkpoint_path={folder}"]
    with mounted_disk(disk, "28k"):  # 7 pages: some maps, the journal
        status, out, err = run(*arguments, f"output_dir={maps}")
        assert status == 1
        assert "Traceback" not in out + err
        assert "No space left on device" in err
        first = sorted(maps.rglob("*.tif"))
        assert len(first) < 6
        for path in first:
            rasterio.open(path).read()
        subprocess.run(["mount", "-o", "remount,size=1m", disk], check=True)
        status, _, err = run(*arguments, f"output_dir={maps}", folder="again")
        assert status == 0, err
        status, _, err = run(*arguments, f"output_dir={tmp_path / 'reference'}", folder="third")
        assert status == 0, err
        for path in sorted((tmp_path / "reference").rglob("*.tif")):
            assert path.read_bytes() == (maps / path.relative_to(tmp_path / "reference")).read_bytes()
        assert len((maps / "finished.jsonl").read_text().splitlines()) in (6, 7)  # one line may have been cut off
