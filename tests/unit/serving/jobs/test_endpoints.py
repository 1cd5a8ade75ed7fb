"""Jobs over HTTP, done by a small program in processes of its own."""

import io
import json
import os
import re
import zipfile
from pathlib import Path

import pytest

from instageo.serving.jobs import process
from tests.unit.serving.jobs.conftest import MODELS, SCRIPT, body, ended, started, wait_for

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings


def submit(client, **changes):
    response = client.post("/v1/jobs", json=body(**changes))
    assert response.status_code == 202, response.text
    assert response.headers["location"] == f"/v1/jobs/{response.json()['id']}"
    return response.json()["id"]


def test_a_job_from_the_request_to_its_files(app, tmp_path):
    with app() as client:
        number = submit(client)
        assert re.fullmatch("[0-9a-f]{32}", number)
        job = ended(client, number)
        assert (job["state"], job["progress"], job["request"]["bounds"]) == (
            "done", {"done": 2, "total": 2}, [33, -19, 34, -18],
        )  # fmt: skip
        assert job["request"]["area_km2"] == 11688.6
        names = ["T36KXD/map.tif", "areas.csv", "report.html"]
        assert [file["name"] for file in job["files"]] == names  # nothing hidden, no link, no pickle, no paths
        assert [each["id"] for each in client.get("/v1/jobs").json()["jobs"]] == [number]
        assert str(tmp_path) not in client.get(f"/v1/jobs/{number}").text

        map_file = client.get(f"/v1/jobs/{number}/files/T36KXD/map.tif")
        assert (map_file.status_code, map_file.content) == (200, bytes(3_000_000))
        assert map_file.headers["content-type"] == "image/tiff"
        assert map_file.headers["content-disposition"].startswith('attachment; filename="map.tif"')
        report = client.get(f"/v1/jobs/{number}/files/report.html")
        assert SCRIPT in report.text  # this runner escapes nothing, so that the policy alone keeps others safe
        assert report.headers["content-security-policy"].startswith("sandbox allow-scripts allow-downloads; default")
        assert "allow-same-origin" not in report.headers["content-security-policy"]
        assert report.headers["content-disposition"].startswith("inline")
        saved = client.get(f"/v1/jobs/{number}/files/report.html?save=true").headers["content-disposition"]
        assert saved.startswith("attachment")

        archive = zipfile.ZipFile(io.BytesIO(client.get(f"/v1/jobs/{number}/files.zip").content))
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == names
        assert archive.read("T36KXD/map.tif") == bytes(3_000_000)

        metrics = client.get("/metrics").text
        assert 'instageo_jobs{state="queued"} 0.0' in metrics
        assert 'instageo_jobs_finished_total{state="done"} 1.0' in metrics
        assert client.delete(f"/v1/jobs/{number}").status_code == 204
        assert client.get(f"/v1/jobs/{number}").status_code == 404
        assert not (tmp_path / "jobs" / number).exists()
    lines = (tmp_path / "jobs" / "jobs.log").read_text()
    assert [line.split(": ")[1].split(" after")[0] for line in lines.splitlines()] == ["queued", "running", "done"]
    assert number not in lines
    assert "33" not in re.sub(r"[0-9a-f]{8} ", "", re.sub(r"^\S+ \S+", "", lines, flags=re.MULTILINE))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("abort", "the process of the job ended unexpectedly (status -6); the server's operator has its log"),
        ("killed", "the process of the job was killed, perhaps since memory ran out; ask for a smaller area"),
        ("memory", "the memory of the server ran out; ask for a smaller area"),
        ("error", "maps/x.tif: no image of 2026-11-20/2026-11-26 was found; choose other days"),
        ("bug", "an internal error occurred; the log of the job (job.log in its folder on the server) describes it"),
    ],
)
def test_a_job_that_fails_says_why_and_the_next_one_runs(app, tmp_path, model, sentence):
    with app() as client:
        first, second = submit(client, model=model), submit(client)
        job = ended(client, first)
        assert (job["state"], job["message"]) == ("failed", sentence)
        assert ended(client, second)["state"] == "done"
        assert client.get(f"/v1/jobs/{first}/files.zip").status_code == 404
    assert ("RuntimeError: secret" in (tmp_path / "jobs" / first / "job.log").read_text()) == (model == "bug")


def test_a_job_says_what_is_missing_of_its_maps(app):
    with app() as client:
        job = ended(client, submit(client, model="partial"))
        assert (job["state"], job["message"]) == ("done", "1 of 2 tiles could not be mapped (T36KXD)")
        assert "areas.csv" in [file["name"] for file in job["files"]]


def test_files_of_two_periods_are_downloadable_without_those_with_paths(app, tmp_path):
    asked = body(date=None, before="2026-10-01", after="2026-11-20/2026-11-26", zones=None)
    with app() as client:
        assert client.post("/v1/jobs/plan", json=asked).json()["images"] == 6
        job = ended(client, client.post("/v1/jobs", json=asked).json()["id"])
        names = [file["name"] for file in job["files"]]
        assert {"report.html", "before/report.html", "after/report.html"} < set(names)
        assert not [name for name in names if name.endswith("request.json")]
        assert job["request"]["periods"] == {"before": ["2026-10-01"], "after": ["2026-11-20/2026-11-26"]}
        archive = zipfile.ZipFile(io.BytesIO(client.get(f"/v1/jobs/{job['id']}/files.zip").content))
        assert sorted(archive.namelist()) == sorted(names)
        assert client.get(f"/v1/jobs/{job['id']}/files/before/report.html").text == "<h1>before</h1>"
        assert client.get(f"/v1/jobs/{job['id']}/files/before/request.json").status_code == 404
    with app() as client:  # after a restart
        assert [each["id"] for each in client.get("/v1/jobs").json()["jobs"]] == [job["id"]]
        refused = client.post("/v1/jobs", json=body(before="2026-10-01"))
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")


def test_a_file_comes_in_ranges(app):
    with app() as client:
        number = submit(client)
        ended(client, number)
        response = client.get(f"/v1/jobs/{number}/files/areas.csv", headers={"Range": "bytes=5-12"})
        assert (response.status_code, response.text) == (206, "hectares")


def test_jobs_are_cancelled_before_and_while_they_run(app):
    with app() as client:
        running, waiting = submit(client, model="slow"), submit(client)
        started(client, running)
        assert client.get(f"/v1/jobs/{waiting}").json()["position"] == 0
        metrics = client.get("/metrics").text
        assert 'instageo_jobs{state="queued"} 1.0' in metrics
        assert 'instageo_jobs{state="running"} 1.0' in metrics
        response = client.delete(f"/v1/jobs/{waiting}")
        assert (response.status_code, response.json()["state"]) == (202, "cancelled")
        assert client.delete(f"/v1/jobs/{running}").json()["message"] == "being cancelled"
        assert ended(client, running)["state"] == "cancelled"
        assert [file["name"] for file in ended(client, running)["files"]] == ["steps.csv"]


def test_a_job_that_ignores_sigterm_is_killed(app, monkeypatch):
    monkeypatch.setattr(process, "GRACE_S", 0.2)
    with app() as client:
        number = submit(client, model="deaf")
        started(client, number)
        client.delete(f"/v1/jobs/{number}")
        assert ended(client, number)["state"] == "cancelled"


def test_a_server_that_stops_continues_its_jobs_at_the_next_start(app, tmp_path):
    with app() as client:
        number = submit(client, model="slow")
        wait_for(lambda: client.get(f"/v1/jobs/{number}").json()["progress"]["done"] >= 3)
    record = json.loads((tmp_path / "jobs" / number / "job.json").read_text())
    assert (record["state"], record["attempts"]) == ("queued", 0)  # an orderly stop is no failed attempt
    with app() as client:
        assert ended(client, number)["state"] == "done"
        steps = client.get(f"/v1/jobs/{number}/files/steps.csv").text.splitlines()
    numbers, processes = zip(*(line.split(",") for line in steps), strict=True)
    assert numbers == tuple(map(str, range(60)))  # none twice
    assert len(set(processes)) == 2


@pytest.mark.parametrize(("attempts", "state"), [(2, "done"), (3, "interrupted")])
def test_a_job_during_which_the_server_died_is_tried_three_times(app, tmp_path, attempts, state):
    with app() as client:
        number = submit(client)
        ended(client, number)
    path = tmp_path / "jobs" / number / "job.json"
    died = json.loads(path.read_text()) | {"state": "running", "attempts": attempts, "finished": None, "files": []}
    path.write_text(json.dumps(died))
    with app() as client:
        job = ended(client, number)
        assert job["state"] == state
        assert ("the server ended 3 times during this job" in job["message"]) == (state == "interrupted")


def test_damaged_records_are_left_out(app, tmp_path):
    with app() as client:
        number = submit(client)
        ended(client, number)
    good = json.loads((tmp_path / "jobs" / number / "job.json").read_text())
    for name, content in {
        "0" * 32: "{", "1" * 32: json.dumps(good), "2" * 32: json.dumps(good | {"id": "2" * 32, "state": "lost"}),
        "3" * 32: "[" * 100_000, "4" * 32: json.dumps(good | {"id": "4" * 32, "request": {}}),
        "5" * 32: json.dumps(good | {"id": "5" * 32, "created": None}),
        "6" * 32: json.dumps(good | {"id": "6" * 32, "state": "running", "attempts": "1"}),
        "7" * 32: json.dumps(good | {"id": "7" * 32, "state": "running", "started": "today"}),
        "8" * 32: json.dumps(good | {"id": "8" * 32, "files": [{"name": 1, "bytes": 1}]}),
    }.items():  # fmt: skip
        (tmp_path / "jobs" / name).mkdir()
        (tmp_path / "jobs" / name / "job.json").write_text(content)
    with app() as client:
        assert [job["id"] for job in client.get("/v1/jobs").json()["jobs"]] == [number]


def test_a_second_server_on_the_same_folder_says_so(app):
    with app() as client:
        number = submit(client)
        ended(client, number)
        with app_blocked(app) as second:
            wait_for(lambda: "another server" in second.get("/v1/jobs").text)
            response = second.get(f"/v1/jobs/{number}")
            assert response.status_code == 503
            assert f"another server uses the folder of the jobs (process {os.getpid()} on" in response.json()["detail"]
        assert client.get(f"/v1/jobs/{number}").status_code == 200


def app_blocked(app):
    """An application that does not get ready."""
    import contextlib

    from starlette.testclient import TestClient

    from instageo.serving.endpoints import build_app
    from instageo.serving.jobs.settings import JobSettings
    from instageo.serving.settings import ServerSettings

    @contextlib.contextmanager
    def start():
        folder = app.__closure__[0].cell_contents / "jobs"
        settings = ServerSettings(MODELS, jobs=JobSettings(str(folder)))
        with TestClient(build_app(None, settings), base_url="http://localhost") as client:
            yield client

    return start()


def test_limits_of_the_queue_and_of_clients(app):
    with app(queue=2, per_client=2) as client:
        first = submit(client, model="slow")
        started(client, first)
        submit(client)
        response = client.post("/v1/jobs", json=body())
        assert (response.status_code, response.headers["retry-after"]) == (429, "60")
        assert response.json()["detail"].startswith("2 jobs of yours wait or run already, the limit")
    with app(queue=1) as client:
        wait_for(lambda: client.get(f"/v1/jobs/{first}").json()["state"] == "running")
        assert client.post("/v1/jobs", json=body()).json()["detail"].startswith("1 jobs wait already, the limit")


def test_the_oldest_finished_jobs_make_way_for_others(app, tmp_path, monkeypatch):
    from instageo.serving.jobs import queue, retention

    with app() as client:
        first = submit(client)
        ended(client, first)
        monkeypatch.setattr(queue, "GB", 1e6)  # so that 5 "GB" are 5 MB, and the files of a job are 3
        second = submit(client)
        ended(client, second)
    with app(disk_gb=5) as client:
        wait_for(lambda: [job["id"] for job in client.get("/v1/jobs").json()["jobs"]] == [second])
        wait_for(lambda: not (tmp_path / "jobs" / first).exists())  # its files go after its record
        free = client.app.router.lifespan_context.__self__.store.free_bytes()
        monkeypatch.setattr(retention, "MIN_FREE_BYTES", free + 1_000_000_000_000)
        response = client.post("/v1/jobs", json=body())
        assert (response.status_code, response.json()["title"]) == (507, "Insufficient Storage")
        assert len(client.get("/v1/jobs").json()["jobs"]) == 1  # nothing is removed in vain


def test_old_jobs_are_removed(app, tmp_path):
    with app() as client:
        number = submit(client)
        ended(client, number)
    path = tmp_path / "jobs" / number / "job.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"finished": "2026-01-01T00:00:00+00:00"}))
    with app() as client:
        wait_for(lambda: client.get("/v1/jobs").json() == {"jobs": []})
    wait_for(lambda: not path.exists())


def test_a_job_that_takes_too_long_or_too_much_space_is_stopped(app, monkeypatch):
    from instageo.serving.jobs import queue

    monkeypatch.setattr(queue, "SIZE_CHECK_S", 0)
    monkeypatch.setattr(queue, "GB", 1000)  # so that 50 "GB" are 50 kB, and this job writes 100
    with app() as client:
        job = ended(client, submit(client, model="slow"))
        assert (job["state"], "its files are larger than 50 GB, the limit" in job["message"]) == ("failed", True)
        assert job["files"] == []
    monkeypatch.setattr(queue, "HOUR_S", 0.001)
    monkeypatch.setattr(queue, "GB", 1e9)
    with app(hours=1) as client:
        job = ended(client, submit(client, model="slow"))
        assert (job["state"], "the job ran longer than 1 h" in job["message"]) == ("failed", True)


def test_a_disk_that_takes_no_record_stops_no_other_job(app, tmp_path):
    with app() as client:
        first, second = submit(client, model="slow"), submit(client)
        started(client, first)
        folder = tmp_path / "jobs" / first
        folder.rename(tmp_path / "moved")
        folder.write_text("in the way")
        client.delete(f"/v1/jobs/{first}")
        assert ended(client, first)["state"] == "cancelled"  # in memory
        assert ended(client, second)["state"] == "done"
    assert "its record cannot be written" in (tmp_path / "jobs" / "jobs.log").read_text()


def test_plans(app, tmp_path, monkeypatch):
    from instageo.serving.jobs import endpoints

    with app() as client:
        plan = client.post("/v1/jobs/plan", json=body()).json()
        assert (plan["tiles"], plan["images"], plan["megabytes"]) == (["T36KXD"], 3, [12.5, 40.2])
        refused = client.post("/v1/jobs/plan", json=body(model="error"))
        assert (refused.status_code, refused.json()["detail"]) == (422, "no image was found; choose other days")
        monkeypatch.setattr(endpoints, "PLAN_S", 1.0)
        late = client.post("/v1/jobs/plan", json=body(model="slow"))
        assert (late.status_code, late.json()["detail"]) == (504, "the plan took too long; ask for a smaller area")
        monkeypatch.setattr(endpoints, "PLANS_AT_A_TIME", 2)
        assert client.get("/v1/jobs").json() == {"jobs": []}
        options = client.get("/v1/jobs/options").json()
        assert options["catalogs"] == ["planetary", "earthsearch", "lpdaac", "cdse"]
        assert options["limits"]["area_km2"] == 50_000
    assert list((tmp_path / "jobs").glob("plan-*")) == []


NO_FILES = (
    "../job.json", "..%2fjob.json", "%2e%2e/job.json", "..%5cjob.json", "%2fetc%2fpasswd", ".hidden.tif", "weights.pkl",
    "link.tif", "T36KXD", "report.html%00", "", "areas.csv/", "//areas.csv", "a" * 5000,
)  # fmt: skip


def test_files_that_a_job_did_not_list_do_not_exist(app):
    with app() as client:
        number = submit(client)
        ended(client, number)
        for name in NO_FILES:
            response = client.get(f"/v1/jobs/{number}/files/{name}")
            assert response.status_code == 404, name
            assert response.headers["content-type"] == "application/problem+json"


def test_a_listed_file_that_became_a_link_is_not_sent(app, tmp_path):
    with app() as client:
        number = submit(client)
        ended(client, number)
        path = tmp_path / "jobs" / number / "maps" / "areas.csv"
        path.unlink()
        path.symlink_to("/etc/passwd")
        assert client.get(f"/v1/jobs/{number}/files/areas.csv").status_code == 404
        archive = zipfile.ZipFile(io.BytesIO(client.get(f"/v1/jobs/{number}/files.zip").content))
        assert "areas.csv" not in archive.namelist()


NO_JOBS = ("0" * 32, "A" * 32, "0" * 31, "0" * 33, "%00", "é" * 32, "options/x", "٠" * 32)


def test_unknown_and_malformed_names_of_jobs_do_not_exist(app):
    with app() as client:
        for path in [f"/v1/jobs/{name}{end}" for name in NO_JOBS for end in ("", "/files.zip", "/files/areas.csv")]:
            for method in ("GET", "DELETE"):
                response = client.request(method, path)
                assert response.status_code in (404, 405), path
                assert response.headers["content-type"] == "application/problem+json"


def test_pages_of_other_sites_may_not_ask_for_jobs(app):
    with app() as client:
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
            response = client.post("/v1/jobs", json=body(), headers=headers)
            assert response.status_code == 403
            assert client.request("DELETE", f"/v1/jobs/{'0' * 32}", headers=headers).status_code == 403
        plain = client.post("/v1/jobs", content=json.dumps(body()), headers={"Content-Type": "text/plain"})
        assert plain.status_code == 415
        assert client.get("/v1/jobs").json() == {"jobs": []}


def test_the_token_protects_jobs(app, monkeypatch):
    from starlette.testclient import TestClient

    from instageo.serving.endpoints import build_app
    from instageo.serving.jobs.settings import JobSettings
    from instageo.serving.settings import TOKEN_VARIABLE, ServerSettings

    monkeypatch.setenv(TOKEN_VARIABLE, "hush")
    settings = ServerSettings(MODELS, jobs=JobSettings("unused"))
    client = TestClient(build_app(None, settings))
    paths = ("/v1/jobs", "/v1/jobs/options", f"/v1/jobs/{'0' * 32}", f"/v1/jobs/{'0' * 32}/files.zip")
    assert [client.get(path).status_code for path in paths] == [401] * 4
    assert not Path("unused").exists()


def test_a_server_without_a_folder_says_how_to_enable_jobs(monkeypatch):
    from starlette.testclient import TestClient

    from instageo.serving.endpoints import build_app
    from instageo.serving.settings import ServerSettings

    client = TestClient(build_app(None, ServerSettings(MODELS)), base_url="http://localhost")
    for method, path in (("GET", "/v1/jobs"), ("POST", "/v1/jobs/plan"), ("DELETE", f"/v1/jobs/{'0' * 32}")):
        response = client.request(method, path)
        assert response.status_code == 404
        assert response.json()["detail"].endswith("enable them with instageo serve --jobs-dir FOLDER")
