"""Maps of areas behind a real server: kills, restarts, hostile paths and bodies."""

import json
import os
import signal
import socket
import subprocess
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from benchmarks.watched_server import watched_server
from tests import faulty_server
from tests.integration.area_catalog import AREA, DAYS, write_area_catalog
from tests.integration.job_servers import answer, job_server, wait_for
from tests.integration.maps import read_layers
from tests.integration.servers import received
from tests.items import records_at
from tests.stac_servers import rustac_server
from tests.unit.serving.jobs.conftest import body


@pytest.fixture(scope="module")
def run(trained):
    """A run of two classes."""
    return trained[1]


def submit(server, **changes):
    """The name of a new job."""
    status, job = answer(server, "/v1/jobs", "POST", json.dumps(body(**changes)), {"Content-Type": "application/json"})
    assert status == 202, job
    return job["id"]


def ended(server, number):
    """The job after its end."""
    ends = ("done", "failed", "cancelled", "interrupted")
    return wait_for(lambda: (job := answer(server, f"/v1/jobs/{number}")[1]).get("state") in ends and job)


def test_a_job_goes_on_after_its_server_was_killed(run, tmp_path):
    with job_server(run, tmp_path / "jobs") as server:
        number = submit(server, model="slow")
        waiting = submit(server)
        wait_for(lambda: answer(server, f"/v1/jobs/{number}")[1]["progress"]["done"] >= 5)
        [runner] = psutil.Process(server.process.pid).children()
        server.process.kill()
        runner.wait(60)  # it has seen that nobody listens any more
    record = json.loads((tmp_path / "jobs" / number / "job.json").read_text())
    assert (record["state"], record["attempts"]) == ("running", 1)
    with job_server(run, tmp_path / "jobs") as server:
        job = ended(server, number)
        assert (job["state"], job["progress"]) == ("done", {"done": 60, "total": 60})
        assert ended(server, waiting)["state"] == "done"
        lines = answer(server, f"/v1/jobs/{number}/files/steps.csv")[1].decode().splitlines()
    steps, processes = zip(*(line.split(",") for line in lines), strict=True)
    assert steps == tuple(map(str, range(60)))  # each once
    assert len(set(processes)) == 2


def test_a_job_that_is_killed_leaves_the_server_and_no_process(run, tmp_path):
    with job_server(run, tmp_path / "jobs") as server:
        number = submit(server, model="slow")
        wait_for(lambda: answer(server, f"/v1/jobs/{number}")[1]["progress"]["done"] >= 1)
        [runner] = psutil.Process(server.process.pid).children()
        assert runner.nice() >= 5
        assert int(Path(f"/proc/{runner.pid}/oom_score_adj").read_text()) >= 500  # ends before the server does
        runner.send_signal(signal.SIGKILL)
        job = ended(server, number)
        assert (job["state"], job["message"].partition(",")[0]) == ("failed", "the process of the job was killed")
        assert psutil.Process(server.process.pid).children() == []
        assert answer(server, "/healthz")[0] == 200


def test_hostile_paths_and_bodies(run, tmp_path):
    with job_server(run, tmp_path / "jobs") as server:
        number = submit(server)
        assert ended(server, number)["state"] == "done"
        names = (
            "../job.json",
            "..%2Fjob.json",
            "%2e%2e/%2e%2e/jobs.log",
            "..\\job.json",
            "/etc/passwd",
            "T36KXD/../areas.csv",
        )
        for name in names:
            status, content = answer(server, f"/v1/jobs/{number}/files/{name}")
            assert (status, content["title"]) == (404, "Not Found"), name
        for name in ("..", "../jobs", f"{number}/..", f"../{number}", f"{number}%00", f"{number}/../../etc/passwd"):
            assert answer(server, f"/v1/jobs/{name}")[0] in (307, 404, 405), name
        kind = {"Content-Type": "application/json"}
        for content, expected in (
            (b"", 400),
            (b"\xff", 400),
            (b"{", 400),
            (b"[" * 10**6, 413),
            (b" " * 3_000_000, 413),
        ):
            assert answer(server, "/v1/jobs", "POST", content, kind)[0] == expected
        response = send_endless_body(server.port)
        assert response.startswith(b"HTTP/1.1 413 ")
        assert b"\r\nconnection: close\r\n" in response.lower()
        page = {"Origin": "https://evil.example"} | kind
        assert answer(server, "/v1/jobs", "POST", json.dumps(body()), page)[0] == 403
        assert answer(server, f"/v1/jobs/{number}", "DELETE", headers={"Sec-Fetch-Site": "cross-site"})[0] == 403
        assert len(answer(server, "/v1/jobs")[1]["jobs"]) == 1


def send_endless_body(port):
    """The response to a body in chunks that never ends."""
    kind = "Content-Type: application/json\r\nTransfer-Encoding: chunked"
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(head.encode())
        with suppress(OSError):  # the server has closed the connection
            for _ in range(100):
                client.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        return received(client)


def test_jobs_behind_instageo_serve(instageo, small_network, warm_command, tmp_path, short_folder, monkeypatch):
    """The real server, the real mapping, and a catalogue on this machine; the maps are those of `instageo map`."""
    monkeypatch.setenv("INSTAGEO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "files").mkdir()
    listed = write_area_catalog(tmp_path / "files")
    jobs = ["--jobs-dir", tmp_path / "jobs", "--jobs-limit", "area_km2=5000"]
    urls = ["--allow-catalog-urls", "--allow-private-urls"]
    with faulty_server.running(listed.parent) as port:
        records = records_at(listed, f"http://127.0.0.1:{port}")
        with (
            rustac_server(tmp_path, records, DAYS) as url,
            watched_server(f"m={small_network}", *jobs, *urls, folder=short_folder) as server,
        ):
            command = [*warm_command("instageo.cli"), "serve", f"m={small_network}"]
            check_applications_of_jobs(server, [*command, "--jobs-dir", tmp_path / "jobs"])
            request = {
                "area": list(AREA), "date": f"{DAYS[0]}/{DAYS[1]}", "source": "hls", "catalog": url, "zones": ZONES,
            }  # fmt: skip
            status, plan = post(server, "/v1/jobs/plan", request)
            assert status == 200, plan
            assert (len(plan["tiles"]), plan["images"], plan["product"]) == (3, 6, "hls")
            files = made_files(server, request)
            assert {"report.html", "areas.csv", "tiles/T32TQM.tif"} <= set(files)
            compared = request | {"date": None, "before": DAYS[0], "after": DAYS[1], "area": [11.31, 43.9, 11.4, 44.0]}
            status, plan = post(server, "/v1/jobs/plan", compared)
            assert (status, {tile["name"].split()[0] for tile in plan["tiles"]}) == (200, {"before", "after"})
            changes = made_files(server, compared)
            assert {"report.html", "changes.csv", "before/areas.csv", "after/report.html"} <= set(changes)
            assert not [name for name in changes if name.endswith("request.json")]
            report = files["report.html"][1].decode()
            assert "<script>alert(1)" not in report
            assert "&lt;script&gt;alert(1)" in report
            texts = b"".join(content for made in (files, changes) for _, content in made.values())
            assert str(tmp_path / "jobs").encode() not in texts
            assert str(small_network).encode() not in texts  # the model has its name instead
        assert server.process.returncode == 0
        assert list(short_folder.glob("instageo-*")) == []
        assert not (tmp_path / "jobs" / ".lock_owner.json").exists()
        arguments = ("map", small_network, "--area", ",".join(map(str, AREA)), "--date", request["date"])
        status, _, err = instageo(*arguments, "--catalog", listed, "--source", "hls", "-o", tmp_path / "out")
        assert status == 0, err
    tiles = list((tmp_path / "out" / "tiles").glob("T?????.tif"))
    assert len(tiles) == 3
    for tile in tiles:
        (tmp_path / tile.name).write_bytes(files[f"tiles/{tile.name}"][1])
        assert read_layers(tmp_path / tile.name).tobytes() == read_layers(tile).tobytes()


def check_applications_of_jobs(server, another):
    """Check that a server has its limits, lets no other use its folder, and starts again what answers after a kill."""
    wait_for(lambda: server.request("GET", "/v1/jobs")[0] == 200)
    assert json.loads(server.request("GET", "/v1/jobs/options")[1])["limits"]["area_km2"] == 5000
    second = subprocess.run(another, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "another server keeps its maps there (process " in second.stderr
    killed = server.front_process()
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: server.front_process() not in (None, killed))
    wait_for(lambda: server.request("GET", "/v1/jobs")[0] == 200)


def made_files(server, request):
    """Status and content of all files of a job by their names, after its end."""
    path = f"/v1/jobs/{post(server, '/v1/jobs', request)[1]['id']}"
    wait_for(lambda: json.loads(server.request("GET", path)[1])["state"] in ("done", "failed"))
    job = json.loads(server.request("GET", path)[1])
    assert job["state"] == "done", job
    files = {file["name"]: server.request("GET", f"{path}/files/{file['name']}") for file in job["files"]}
    assert {status for status, _ in files.values()} == {200}
    return files


ZONES = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"name": "<script>alert(1)</script>"},
            "geometry": {"type": "Polygon", "coordinates": [[[11.5, 43.9], [12, 43.9], [12, 44], [11.5, 43.9]]]},
        }
    ],
}


def post(server, path, values):
    """Status and JSON of a response."""
    content = json.dumps(values)
    connection = HTTPConnection("127.0.0.1", server.port, timeout=600)
    connection.request("POST", path, content, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())
