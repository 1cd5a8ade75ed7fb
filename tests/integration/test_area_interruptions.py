"""Maps of an area that are killed or stopped: the same files in the end, and fewer bytes from the server."""

import json
import random
import re
import shutil
import subprocess
from contextlib import suppress

import pytest

from instageo.runtime.termination import TERMINATED
from tests import faulty_server
from tests.forked_calls import running_command
from tests.integration.sensor_catalogs import DAYS, SMALL_AREA_M, area, hls
from tests.integration.test_map_interruptions import wait_for

TIMES = re.compile(rb'(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^"<]*|\d{4}-\d\d-\d\d \d\d:\d\d[^"<]*)')
"""Times of records: only `map_items.json` and `report.html` say when a map was made."""


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    """The port of a server, and the arguments of a map of its files."""
    root = tmp_path / "files"
    root.mkdir()
    content = json.loads(hls(root).read_text())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with faulty_server.running(root, delay_s=0.02) as port:
        for record in content["features"]:
            for asset in record["assets"].values():
                asset["href"] = f"http://127.0.0.1:{port}/{asset['href']}"
        path = tmp_path / "items.json"
        path.write_text(json.dumps(content | {"catalog": f"http://127.0.0.1:{port}"}))
        yield port, ["--area", area(SMALL_AREA_M), "--date", "/".join(DAYS), "--catalog", path, "-o", tmp_path / "out"]


def files_of(folder):
    """Return the content of each file by its name; of records without their times."""
    result = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith(".lock"):
            content = path.read_bytes()
            is_record = path.name in ("map_items.json", "report.html")
            result[str(path.relative_to(folder))] = TIMES.sub(b"", content) if is_record else content
    return result


def bytes_so_far(port):
    return sum(entry[3] for entry in faulty_server.log(port))


def test_killed_runs_end_with_the_same_files_and_read_less(
    instageo, small_network, catalog, tmp_path, monkeypatch
):  # fmt: skip
    port, arguments = catalog
    monkeypatch.setenv("INSTAGEO_CACHE", str(tmp_path / "cache0"))
    status, _, err = instageo("map", small_network, *arguments)
    assert status == 0, err
    full, expected = bytes_so_far(port), files_of(tmp_path / "out")
    shutil.move(tmp_path / "out", tmp_path / "whole")
    cache, log, draw, interrupted = str(tmp_path / "cache1"), tmp_path / "log.txt", random.Random(5), 0
    environment = {"INSTAGEO_CACHE": cache, "NO_PROXY": "127.0.0.1"}
    for kill in range(5):
        with running_command(log, "map", small_network, *arguments, environment=environment) as process:
            if kill % 2 == 0:  # at least as far as the first block
                wait_for(lambda: any((tmp_path / "cache1").rglob("*.block")), process, log)
            with suppress(subprocess.TimeoutExpired):
                process.wait(draw.uniform(0, 2.5) if kill else 0)  # the first one surely interrupts it
            interrupted += process.poll() is None
    assert interrupted
    for name in (".report.html.0123456789ab.part", "tiles/.T32TPM_coverage.tif.0123456789ab.part"):
        (tmp_path / "out" / name).write_bytes(b"half")  # as a run leaves them that is killed while it writes these
    before = bytes_so_far(port)
    monkeypatch.setenv("INSTAGEO_CACHE", cache)
    status, _, err = instageo("map", small_network, *arguments)
    assert status == 0, err
    made = files_of(tmp_path / "out")
    assert sorted(made) == sorted(expected)
    assert [name for name in made if made[name] != expected[name]] == []
    assert bytes_so_far(port) - before < full
    assert not list((tmp_path / "out").rglob("*.part*"))


def test_sigterm_ends_a_run_in_order_and_two_runs_do_not_mix(instageo, small_network, catalog, tmp_path, monkeypatch):
    _, arguments = catalog
    log, cache = tmp_path / "log.txt", str(tmp_path / "cache")
    monkeypatch.setenv("INSTAGEO_CACHE", cache)
    environment = {"INSTAGEO_CACHE": cache, "NO_PROXY": "127.0.0.1"}
    with running_command(log, "map", small_network, *arguments, environment=environment) as process:
        wait_for(lambda: any((tmp_path / "cache").rglob("*.block")), process, log)
        status, out, err = instageo("map", small_network, *arguments)
        assert process.poll() is None, log.read_text()
        assert (status, out) == (1, "")
        assert re.fullmatch(
            rf"error: {tmp_path}/out: another run is writing maps there \(process {process.pid} on .*\); wait for its "
            "end",
            err.splitlines()[-1],
        )
        process.terminate()
        process.wait(60)
        assert process.returncode == TERMINATED
    assert log.read_text().splitlines()[-1] == "stopped; run the same command again to continue"
    status, _, err = instageo("map", small_network, *arguments)
    assert status == 0, err


def test_a_folder_of_another_request_is_kept(instageo, small_network, catalog, tmp_path):
    _, arguments = catalog
    assert instageo("map", small_network, *arguments)[0] == 0
    before = files_of(tmp_path / "out")
    status, _, err = instageo("map", small_network, *arguments, "--composite", "median")
    assert status == 1
    assert err.splitlines()[-1] == (
        f"error: {tmp_path}/out: holds maps of another request (composite changed); choose another folder, or "
        "--overwrite"
    )
    assert files_of(tmp_path / "out") == before
