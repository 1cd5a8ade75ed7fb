"""The same table of chips from every kind of catalogue (acceptance cases 4 and 7)."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from instageo.data.catalogs.item_lists import read_items, write_items
from instageo.data.chip_creation import create_chips, plan_chips
from instageo.data.chip_settings import ChipSettings
from instageo.raster.cog import write_cog
from tests import faulty_server
from tests.catalogues import searches, serving
from tests.items import DATE_LINE, records_at, write_catalog, write_points
from tests.stac_servers import pgstac_server, rustac_server, why_no_pgstac

SIZE = 610
"""Side of tiles: pixels of 180 m."""

DAYS = ("2024-05-01", "2024-05-16")
OPTIONS = {"size": 32, "steps": 2, "step_days": 15, "tolerance_days": 2}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def make(tmp_path, catalog, name):
    """Return the report, and the content of `chips.csv` and `skipped.csv`."""
    settings = ChipSettings(str(tmp_path / "points.csv"), str(tmp_path / name), catalog=str(catalog), **OPTIONS)
    report = create_chips(settings)
    return report, report.table.read_bytes(), (report.folder / "skipped.csv").read_bytes()


@pytest.mark.parametrize("server", ["rustac", "pgstac"])
def test_one_table_from_every_catalogue(tmp_path, server):  # cases 4 and 7, pitfalls 44, 58
    """100 points of one tile, one on each side of longitude 180, and one that no image is of."""
    if server == "pgstac" and why_no_pgstac():
        pytest.skip(why_no_pgstac())
    listed = write_catalog(tmp_path / "catalog", ("32TPM", *DATE_LINE), DAYS, SIZE)
    inland = np.random.default_rng(0).uniform((43.4, 10.5), (44.0, 11.3), (100, 2))
    points = [(lat, lon, "2024-05-17", 1) for lat, lon in inland.round(6)]
    points += [(0.5, 179.98, "2024-05-17", 0), (0.5, -179.98, "2024-05-17", 1), (44, 11, "2023-05-17", 1)]
    write_points(tmp_path / "points.csv", points)
    start = {"rustac": rustac_server, "pgstac": pgstac_server}[server]
    (tmp_path / "server").mkdir()
    with faulty_server.running(listed.parent) as port:
        records = records_at(listed, f"http://127.0.0.1:{port}")
        with start(tmp_path / "server", records, DAYS) as url:
            report, *tables = make(tmp_path, url, "first")
        assert report.skipped == {"no image in the period": 1}
        rows = tables[0].decode().splitlines()
        assert sum(",T60NZF," in row for row in rows) == sum(",T01NAA," in row for row in rows) == 1

        write_items(tmp_path / "items.parquet", read_items(tmp_path / "first/items.json"))
        for catalog in (tmp_path / "first/items.json", tmp_path / "items.parquet"):
            assert make(tmp_path, catalog, f"from_{catalog.suffix[1:]}")[1:] == tuple(tables)
        for page_size in (2, 1000):
            with serving(records=records, page_size=page_size) as (url, state):
                assert make(tmp_path, url, f"page_{page_size}")[1:] == tuple(tables)
        asked = [body["bbox"] for _, _, body in searches(state)]
    assert len(asked) == len({tuple(box) for box in asked}) <= 4  # with the two of another year
    assert all(west < east for west, _, east, _ in asked)
    for longitude in (179.98, -179.98):
        assert sum(west <= longitude <= east for west, _, east, _ in asked) == 1


def test_points_of_one_tile_are_one_search(tmp_path):  # case 7, pitfall 60
    listed = write_catalog(tmp_path / "catalog", ("32TPM",), DAYS, SIZE)
    points = np.random.default_rng(0).uniform((43.4, 10.5), (44.0, 11.3), (100, 2))
    write_points(tmp_path / "points.csv", [(lat, lon, "2024-05-17", 1) for lat, lon in points])
    with serving(records=json.loads(listed.read_text())["features"]) as (url, state):
        settings = ChipSettings(str(tmp_path / "points.csv"), str(tmp_path / "x"), catalog=url, **OPTIONS)
        assert plan_chips(settings).observations == 100
        assert len(searches(state)) == 1
    assert not (tmp_path / "x").exists()


def passes_in_a_process_of_its_own(request):
    """Run a test again in a process whose GDAL has read nothing yet; False in that process."""
    if "FRESH_PROCESS" in os.environ:
        return False
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", request.node.nodeid],
        cwd=request.config.rootpath, env=environment | {"FRESH_PROCESS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return True


def test_a_plan_foretells_what_is_read(tmp_path, request):  # case 2
    """Requests within 5 %, bytes within 10 % of what a server counts; `report.json` says the same as the plan."""
    if passes_in_a_process_of_its_own(request):
        return

    def noise(tile, date, band, values):
        if band == "Fmask":
            return values
        return np.random.default_rng(date).integers(0, 900, values.shape).astype(np.int16)

    listed = write_catalog(tmp_path / "catalog", ("32TPM",), DAYS, 2440, noise)
    for path in sorted((listed.parent / "files").iterdir()):
        write_cog(path, path)  # which has its header in front
    points = np.random.default_rng(0).uniform((43.6, 10.6), (43.7, 10.8), (20, 2))
    write_points(tmp_path / "points.csv", [(lat, lon, "2024-05-17", 1) for lat, lon in points])

    def settings(name):
        return ChipSettings(str(tmp_path / "points.csv"), str(tmp_path / name), catalog=str(tmp_path / f"{name}.json"),
                            mask=("cloud",), dilate_m=90, **OPTIONS)  # fmt: skip

    logs = {}
    for name, work in (("plan", plan_chips), ("chips", create_chips)):
        with faulty_server.running(listed.parent) as port:  # another port, so that GDAL knows nothing yet
            base = f"http://127.0.0.1:{port}"
            content = {"type": "FeatureCollection", "catalog": base, "features": records_at(listed, base)}
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
            logs[name] = work(settings(name)), faulty_server.log(port)
    plan, cost = logs["plan"][0], logs["plan"][0].reading.cost
    report, log = logs["chips"]
    assert (plan.chips, plan.files, plan.images) == (report.chips, 14, 2)
    assert cost.requests == pytest.approx(len(log), rel=0.05)
    assert cost.bytes == pytest.approx(sum(entry[3] for entry in log), rel=0.1)
    assert report.reads["requests"] == cost.requests
    assert report.reads["megabytes"] == pytest.approx(cost.bytes / 1e6, abs=0.001)
    assert sum(entry[3] for entry in logs["plan"][1]) <= 14 * 2 * 32_768  # headers alone
    assert plan.reading.summary() in "\n".join(plan.lines())
