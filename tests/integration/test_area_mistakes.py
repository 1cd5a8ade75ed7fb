"""Mistakes with `instageo map --area`: each is one sentence that says what to do, and files that are there stay."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import rasterio

from tests import faulty_server
from tests.integration.area_catalog import write_area_catalog
from tests.items import records_at
from tests.stac_servers import rustac_server

BOX = "11.95,43.88,12.05,43.94"
DATE = "2024-05-01/2024-05-16"
TOMORROW = datetime.now(UTC).date() + timedelta(days=1)


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    return write_area_catalog(tmp_path_factory.mktemp("catalog"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTAGEO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def map_area(instageo, small_network, listed, tmp_path):
    """Map an area, and return status, standard output and error output."""

    def call(*options, area=BOX, date=DATE):
        arguments = ("--area", area, "--date", date, "--catalog", listed, "-o", tmp_path / "out")
        return instageo("map", small_network, *arguments, *options)

    return call


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threads", "0"], "threads=0 does not work; expected 1 to 256"),
        (["--threads", "100000000"], "threads=100000000 does not work; expected 1 to 256"),
        (["--cache-mb", "-1"], "cache_mb=-1 does not work; expected at least 0"),
        (
            ["--sentinel2-shift", "maybe"],
            "sentinel2_shift=maybe is unknown; choose pending or applied, or leave it out",
        ),
        (["--plan", "--price-per-hour", "-3"], "price_per_hour=-3.0 does not work; expected 0 or more"),
        (["--plan", "--price-per-hour", "nan"], "price_per_hour=nan does not work; expected 0 or more"),
    ],
)
def test_options_out_of_range(map_area, tmp_path, options, message):
    assert map_area(*options) == (1, "", f"error: {message}\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("area", "message"),
    [
        (
            "43.88,11.95,43.94,12.05",
            "no image touches the area from 2024-05-01/2024-05-16; the images are from 2024-05-01/2024-05-16, at "
            "longitudes 10.23 to 12.88 and latitudes 43.20 to 44.25; longitude and latitude of the area seem to be "
            "exchanged",
        ),
        (
            "12.05,43.88,11.95,43.94",
            "area=12.05,43.88,11.95,43.94: spans 359.9 x 0.06 degrees; expected at most 60 each way; map parts of it "
            "one by one, or check the order west, south, east, north",
        ),
        (
            "-180,-90,180,90",
            "area=-180,-90,180,90: spans 360 x 180 degrees; expected at most 60 each way; map parts of it one by one, "
            "or check the order west, south, east, north",
        ),
    ],
)
def test_places_without_images(map_area, area, message):
    assert map_area("--plan", area=area) == (1, "", f"error: {message}\n")


@pytest.mark.parametrize("is_there", [False, True])
def test_a_run_without_images_leaves_nothing_behind(map_area, tmp_path, is_there):
    if is_there:
        (tmp_path / "out").mkdir()
    for options in ({"area": "43.88,11.95,43.94,12.05"}, {"date": "2023-05-01"}, {"date": str(TOMORROW)}):
        assert map_area(**options)[0] == 1
        assert (tmp_path / "out").exists() == is_there
        assert list(tmp_path.glob("out/*")) == list(tmp_path.glob("out/.*")) == []


def test_a_period_without_images_leaves_no_folder(map_area, tmp_path):
    assert map_area("--every", "5d")[0] == 0
    assert [path.name for path in sorted((tmp_path / "out").glob("2024*"))] == [
        "2024-05-01_2024-05-05", "2024-05-16",
    ]  # fmt: skip


def test_days_in_the_future(map_area):
    status, _, err = map_area("--plan", date=str(TOMORROW))
    assert (status, err) == (
        1, f"error: date={TOMORROW}: lies in the future, which no satellite has seen; today is "
        f"{TOMORROW - timedelta(days=1)}\n",
    )  # fmt: skip


def test_a_plan_over_time_goes_on_after_a_period_without_an_image(map_area):
    status, out, err = map_area("--plan", "--every", "5d", "--json")
    assert status == 0, err
    assert [plan["images"] for plan in json.loads(out)] == [2, 2]
    assert "2024-05-06_2024-05-10: no image touches the area" in err


def test_another_request_leaves_a_folder_as_it_is(map_area, tmp_path):
    """The list of images is that of the maps in the folder, and nothing is searched or tried before."""
    assert map_area()[0] == 0
    files = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert map_area(date="2024-05-01") == (
        1, "", f"error: {tmp_path / 'out'}: holds maps of another request (days changed); choose another folder, or "
        "--overwrite\n",
    )  # fmt: skip
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == files


@pytest.mark.parametrize(
    "content", ['{"area": ', "[" * 1000 + "]" * 1000, "[]", "\\xff"], ids=["cut", "deep", "list", "text"]
)
def test_a_damaged_record_of_a_request_is_one_sentence(map_area, tmp_path, content):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "request.json").write_text(content)
    status, _, err = map_area()
    assert status == 1
    assert err.startswith(f"error: {tmp_path / 'out'}")
    assert err.endswith("choose another folder, or --overwrite\n")
    assert err.count("\n") == 1
    assert (tmp_path / "out" / "request.json").read_text() == content


def test_a_damaged_list_of_images_is_searched_again(map_area, listed, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with (
        faulty_server.running(listed.parent) as port,
        rustac_server(tmp_path, records_at(listed, f"http://127.0.0.1:{port}"), DATE.split("/")) as url,
    ):
        options = ("--source", "hls", "--collection", "hls2-s30", "--catalog", url)
        assert map_area(*options)[0] == 0
        own = tmp_path / "out" / "items.json"
        whole = json.loads(own.read_text())
        own.write_bytes(own.read_bytes()[:100])
        status, _, err = map_area(*options)
    assert status == 0, err
    assert f"{own}: is damaged or not a list of items" in err
    assert json.loads(own.read_text())["features"] == whole["features"]


def test_an_image_without_a_place_does_not_stop_the_others(map_area, tmp_path):
    """Neither its record nor its file says where its pixels lie."""
    listed = write_area_catalog(tmp_path)
    content = json.loads(listed.read_text())
    record = next(each for each in content["features"] if each["id"] == "hls2-s30.32TQM.2024-05-16")
    record["properties"] = {key: value for key, value in record["properties"].items() if not key.startswith("proj:")}
    listed.write_text(json.dumps(content))
    path = tmp_path / record["assets"]["B02"]["href"]
    with rasterio.open(path) as file:
        profile, values = file.profile | {"crs": None}, file.read()
    with rasterio.open(path, "w", **profile) as file:
        file.write(values)
    status, out, err = map_area("--plan", "--json", "--catalog", listed)
    assert status == 0, err
    assert {tile["name"]: len(tile["images"][0]) for tile in json.loads(out)[0]["tiles"]} == {"T32TQM": 1, "T33TTG": 2}
    assert "32TQM_2024-05-16_B02.tif: has no coordinate reference system, nor has its record" in err
