"""Busy servers, refused files and killed runs leave the chips of a quiet run (acceptance cases 8 and 9)."""

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from instageo.data.catalogs import catalogs
from instageo.data.catalogs.catalogs import Catalog
from instageo.data.catalogs.planetary import PlanetaryAccess
from instageo.data.chip_creation import create_chips
from instageo.data.chip_settings import ChipSettings
from instageo.errors import RunFolderError
from tests import faulty_server
from tests.catalogues import serving
from tests.items import lonlat_of, records_at, write_catalog, write_points

SIZE, CHIP = 1220, 256
"""Side of tiles, of 90 m pixels, and of chips: 5 x 5 cells a tile, in batches of 10 with the least memory."""

TILES = ("32TPM", "33TTG")
OPTIONS = {"size": CHIP, "tolerance_days": 2, "memory_mb": 64, "threads": 2}
OWN = ("report.json", "items.json", "settings.json")
"""Files that name the time, the duration or the catalogue of a run."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def listed(tmp_path):
    """Items of two tiles, and `points.csv` with a point in 15 cells of each, away from where the tiles overlap."""
    cells = [min(number * CHIP, SIZE - CHIP) + CHIP / 2 for number in range(5)]
    columns = {"32TPM": cells[:3], "33TTG": cells[2:]}
    places = [lonlat_of(tile, row, column, SIZE) for tile in TILES for row in cells for column in columns[tile]]
    write_points(tmp_path / "points.csv", [(lat, lon, "2024-05-17", 1) for lon, lat in places])
    return write_catalog(tmp_path / "catalog", TILES, ("2024-05-16",), SIZE)


def make(tmp_path, catalog, name, **options):
    settings = ChipSettings(
        str(tmp_path / "points.csv"), str(tmp_path / name), catalog=str(catalog), **OPTIONS | options
    )
    return create_chips(settings)


def contents(folder, *, without=OWN):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*") if path.is_file() and path.name not in without
    }  # fmt: skip


def test_faults_change_no_chip_and_show_no_token(tmp_path, listed, monkeypatch, caplog):  # case 8, pitfalls 57, 60, 61
    """20 % of the answers are 503 or 429, 5 % are cut, tokens serve 100 requests; then one file is refused for good."""
    quiet = make(tmp_path, listed, "quiet")
    assert (quiet.chips, quiet.skipped) == (30, {})
    refused = listed.parent / "files/33TTG_2024-05-16_B04.tif.locked"
    refused.touch()
    caplog.set_level(logging.DEBUG, "instageo")
    with faulty_server.running(listed.parent) as port, serving(retry_after="0", faults=[503, 0, 429]) as (url, state):
        base = f"http://127.0.0.1:{port}"
        state.records = records_at(listed, f"{base}/shaky/signed")
        own = Catalog("planetary", url, lambda root: PlanetaryAccess(root, f"{base}/token", f":{port}"))
        monkeypatch.setitem(catalogs.CATALOGS, "planetary", own)
        first = make(tmp_path, "planetary", "chips")
        before = faulty_server.log(port)
        assert first.exit_status == 3
        assert (first.chips, first.skipped) == (15, {"file not readable": 15})
        lines = (first.folder / "skipped.csv").read_text().splitlines()
        assert len(lines) == 1 + 15
        assert all("33TTG_2024-05-16_B04.tif: access denied (HTTP 403)" in line for line in lines[1:])

        refused.unlink()
        second = make(tmp_path, "planetary", "chips", resume=True)
        log = faulty_server.log(port)
    assert (second.exit_status, second.chips, second.resumed) == (0, 30, 15)
    paths = {path.partition("?")[0] for _, path, *_ in log[len(before) :] if not path.startswith("/token/")}
    assert {path.rpartition("/")[2][:5] for path in paths} == {"33TTG"}
    assert contents(second.folder) == contents(quiet.folder)

    statuses = [status for *_, status in log]
    assert min(statuses.count(503), statuses.count(429), statuses.count(403)) > 0
    assert len({path for _, path, *_ in log if path.startswith("/token/")}) == 1  # one container
    assert sum(path.startswith("/token/") for _, path, *_ in log) > 2
    shown = [*contents(second.folder, without=()).values(), caplog.text.encode()]
    assert not any(b"sig=" in content or b"secret" in content for content in shown)


MOMENTS = {
    "items are listed": lambda folder: (folder / "items.json").exists(),
    "the first chip is written": lambda folder: any((folder / "chips").glob("*.tif")),
    "the first batch is noted": lambda folder: len(noted(folder)) >= 10,
    "the first tile is finished": lambda folder: len(noted(folder)) >= 15,
}


def noted(folder):
    path = folder / "journal.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def start(tmp_path, catalog, *, resume):
    """Start `instageo chips points` in a process of its own."""
    command = [Path(sys.executable).with_name("instageo"), "chips", "points", tmp_path / "points.csv",
               "--output", tmp_path / "chips", "--catalog", catalog, *["--resume"] * resume]  # fmt: skip
    for name, value in OPTIONS.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_killed_run_is_resumed_to_the_same_folder(tmp_path, listed):  # case 9
    """Killed at four moments. Finished chips are not requested again; nothing else may use the folder meanwhile."""
    folder = tmp_path / "chips"
    with faulty_server.running(listed.parent, delay_s=0.02) as port:
        base = f"http://127.0.0.1:{port}"
        catalog = tmp_path / "items.json"
        records = ",".join(map(json.dumps, records_at(listed, base)))
        catalog.write_text(f'{{"type": "FeatureCollection", "catalog": "{base}", "features": [{records}]}}')
        quiet = make(tmp_path, catalog, "quiet")
        for number, is_now in enumerate(MOMENTS.values()):
            with start(tmp_path, catalog, resume=number > 0) as process:
                while process.poll() is None and not is_now(folder):
                    time.sleep(0.005)
                if process.poll() is None and number == 1:
                    os.kill(process.pid, signal.SIGSTOP)
                    with pytest.raises(RunFolderError, match="is making chips in it"):
                        make(tmp_path, catalog, "chips", resume=True)
                process.kill()
        kept = [line for line in noted(folder) if "T32TPM" in line]
        before = len(faulty_server.log(port))
        report = make(tmp_path, catalog, "chips", resume=True)
        log = faulty_server.log(port)[before:]
    assert (report.chips, report.skipped) == (30, {})
    assert report.resumed >= len(kept) == 15
    assert not any("32TPM" in path for _, path, *_ in log)
    without = ("report.json",)
    assert contents(folder, without=without) == contents(quiet.folder, without=without)


def test_a_run_killed_at_ten_random_moments_ends_as_a_quiet_one(tmp_path, listed):  # case 9
    begun = time.monotonic()
    with start(tmp_path, listed, resume=False) as process:
        assert process.wait() == 0
    duration = time.monotonic() - begun
    quiet = (tmp_path / "chips").rename(tmp_path / "quiet")
    rng, folder = random.Random(9), tmp_path / "chips"
    for _ in range(10):
        with start(tmp_path, listed, resume=(folder / "settings.json").exists()) as process:
            time.sleep(rng.uniform(0.3, 1) * duration)
            process.kill()
    report = make(tmp_path, listed, "chips", resume=True)
    assert (report.chips, report.skipped) == (30, {})
    without = ("report.json",)
    assert contents(folder, without=without) == contents(quiet, without=without)
