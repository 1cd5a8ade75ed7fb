"""Maps of areas behind a real server: kills, restarts, hostile paths and bodies, and the page in a browser."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from benchmarks.free_port import free_port
from benchmarks.watched_server import watched_server
from instageo.runtime.own_modules import PACKAGE_FOLDER
from tests import faulty_server
from tests.forked_calls import running
from tests.integration.area_catalog import AREA, DAYS, write_area_catalog
from tests.integration.maps import read_layers
from tests.integration.servers import Server, received
from tests.items import records_at
from tests.stac_servers import rustac_server
from tests.unit.serving.jobs.conftest import body

LABEL_SPANS = """[...document.querySelectorAll("#labels text")].filter((label) => /[EW]$/.test(label.textContent))
  .map((label) => label.getBoundingClientRect()).map((box) => [box.left, box.right])"""
"""JavaScript: left and right end of each longitude below the map of the page, from west to east."""

SLOW_FILES = """() => {
  const read = File.prototype.text
  File.prototype.text = async function () {
    await new Promise((end) => setTimeout(end, 500))
    return read.call(this)
  }
}"""
"""JavaScript that lets the page wait for the content of files."""

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def run(trained):
    """A run of two classes."""
    return trained[1]


@contextmanager
def job_server(run, folder):
    """A server without Ray whose jobs are done by `small_job_runner`."""
    port, log = free_port(), folder.with_name("server.log")
    environment = {"PYTHONPATH": str(PACKAGE_FOLDER)}
    with running(log, serve_jobs, str(run), str(folder), port, environment=environment) as process:
        server = Server(port, process)
        wait_for(lambda: answer(server, "/v1/jobs")[0] == 200)
        yield server
        process.terminate()
        process.wait(60)


def serve_jobs(*arguments):
    """Run `job_server`; its imports are those of a process of its own."""
    from tests.job_server import main

    main(*arguments)


def wait_for(is_true):
    """Wait until a function returns something; the limit only ends a test that would never."""
    end = time.monotonic() + 600
    while not (value := is_true()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return value


def answer(server, path, method="GET", content=None, headers=None):
    """Status and JSON, or text, of a response; 0 while nothing answers."""
    try:
        status, kind, content = server.request(method, path, content, headers)
    except OSError:
        return 0, {}
    return status, json.loads(content) if "json" in kind.get("content-type", "") else content


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


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
def test_the_page_in_a_browser(run, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    zones = json.dumps(body()["zones"])
    with job_server(run, tmp_path / "jobs") as server, sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(600_000)  # only ends a test that would never, however busy the machine is
        asked, wrong = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(f"http://127.0.0.1:{server.port}/area")
        page.locator("#needs", has_text="SWIR_2").wait_for()
        page.click("#show")
        assert page.inner_text("#status").startswith("choose an area: draw a box on the map")
        draw_with_mouse_and_keys(page)
        page.click("#show")
        assert page.inner_text("#status") == "choose the days of which images are taken"
        page.fill("#box", "33, -19, 33.5, -18.5")
        page.press("#box", "Tab")
        page.fill("[name=first]", "2026-11-20")
        page.fill("[name=last]", "2026-11-26")
        page.evaluate(SLOW_FILES)  # a plan waits for files that are being read
        page.set_input_files("#zonesfile", {"name": "z", "mimeType": "application/json", "buffer": b"{"})
        page.press("#box", "Enter")
        page.locator("#status", has_text="z is not GeoJSON; export the polygons as GeoJSON").wait_for()
        page.locator("#show:enabled").wait_for()
        assert page.is_disabled("#start")
        page.set_input_files("#zonesfile", {"name": "z", "mimeType": "application/json", "buffer": zones.encode()})
        assert page.is_disabled("#start")
        page.press("#box", "Enter")  # the form by the keyboard alone
        page.locator("#start:enabled").wait_for()
        assert page.inner_text("#planned").split() == [
            "Tiles", "1", "Images", "3", "To", "read", "13", "to", "40", "MB", "To", "compute", "2", "min",
        ]  # fmt: skip
        assert page.inner_text("#notes") == "<b>"
        page.keyboard.press("Enter")  # the button to start has the focus
        page.locator("#jobs .state", has_text="done").wait_for()
        with page.expect_download() as download:
            page.click("text=Download all")
        download.value.save_as(tmp_path / "all.zip")
        with page.expect_popup() as popup:
            page.click("text=Open the report")
        report = popup.value
        report.wait_for_load_state()
        assert report.evaluate("self.origin") == "null"  # it has nothing of this server's
        assert report.evaluate("fetch('/v1/jobs').then(() => 'read', () => 'refused')") == "refused"
        report.close()
        ask_for_two_periods_and_for_many(page)
        cancel_a_slow_job(page)
        page.select_option("#kind", "compare")
        for width, name in ((1280, "wide"), (360, "narrow")):
            page.set_viewport_size({"width": width, "height": 800})
            page.fill("#box", "11.95, 43.88, 12.05, 43.94")
            page.press("#box", "Tab")
            spans = page.evaluate(LABEL_SPANS)
            assert all(end <= start for (_, end), (start, _) in pairwise(spans)), spans
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.screenshot(path=str(tmp_path / f"{name}.png"), full_page=True)
        browser.close()
    assert shutil.unpack_archive(tmp_path / "all.zip", tmp_path / "all") is None
    assert (tmp_path / "all" / "areas.csv").read_text() == "zone,hectares\n"
    assert wrong == []
    assert all(url.startswith((f"http://127.0.0.1:{server.port}/", "data:", "blob:")) for url in asked)


def draw_with_mouse_and_keys(page):
    """Draw a box, then move it and change its size by keys."""
    page.click("#closer")
    frame = page.locator("#frame").bounding_box()
    page.mouse.move(frame["x"] + 200, frame["y"] + 200)
    page.mouse.down()
    page.mouse.move(frame["x"] + 260, frame["y"] + 240, steps=4)
    page.mouse.up()
    west, south, east, north = map(float, page.input_value("#box").split(","))
    assert west < east
    assert south < north
    page.focus("#frame")
    page.keyboard.press("ArrowRight")
    moved = list(map(float, page.input_value("#box").split(",")))
    assert moved[0] - west == pytest.approx(moved[2] - east, abs=0.2)
    assert moved[0] > west
    page.keyboard.press("Shift+ArrowUp")
    grown = list(map(float, page.input_value("#box").split(",")))
    assert (grown[:3], grown[3] > moved[3]) == (moved[:3], True)


def ask_for_two_periods_and_for_many(page):
    """Compare two periods, then follow the area over time, by the keyboard alone."""
    page.focus("#kind")
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("group").filter(has_text="Before: images").is_visible()
    fields = page.locator("#dates input")
    assert [field.input_value() for field in fields.all()] == ["2026-11-20", "2026-11-26", "", ""]
    page.press("#kind", "Enter")
    page.click("#show")
    assert page.inner_text("#status") == "choose the days of which images are taken: after"
    fields.nth(2).fill("2026-12-01")
    page.click("#show")
    page.locator("#start:enabled").wait_for()
    assert "6" in page.inner_text("#planned").split()  # 3 images of each period
    page.keyboard.press("Enter")
    done = page.locator("#jobs > li").first
    done.locator("strong", has_text="quick, changes from 2026-11-20/2026-11-26 to 2026-12-01").wait_for()
    done.locator(".state", has_text="done").wait_for()
    done.locator("summary").click()
    with page.expect_download() as download:
        done.get_by_role("link", name="before/report.html").click()
    assert download.value.suggested_filename == "report.html"
    page.select_option("#kind", "series")
    page.get_by_label("Days of each map").fill("3")
    page.click("#show")
    page.locator("#start:enabled").wait_for()
    page.keyboard.press("Enter")
    page.locator("#jobs strong", has_text="3 maps from 2026-11-20/2026-11-22 to 2026-11-26").wait_for()
    page.locator("#jobs > li").first.locator(".state", has_text="done").wait_for()


def cancel_a_slow_job(page):
    """Start a slow job from the page, watch it, cancel it, and remove it."""
    page.select_option("#model", "slow")
    page.locator("#needs", has_text="SWIR_2").wait_for()
    asked = json.dumps({"model": "slow", "area": [33, -19, 34, -18], "date": "2026-11-20"})
    page.evaluate(
        "text => fetch('v1/jobs', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: text})", asked
    )
    page.reload()
    page.locator("#jobs .state", has_text="running").wait_for()
    page.click("#jobs >> text=Cancel")
    page.locator("#jobs .state", has_text="cancelled").wait_for()
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#jobs > li").first.locator("text=Remove").click()
    page.locator("#jobs .state", has_text="cancelled").wait_for(state="detached")
