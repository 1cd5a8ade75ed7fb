"""Maps of an area from catalogues whose files are missing, damaged, refused or elsewhere, or whose server is down."""

import json
import subprocess

import numpy as np
import pytest
import rasterio
from affine import Affine

import instageo
from instageo.data.catalogs import catalogs
from instageo.data.catalogs.catalogs import Catalog
from instageo.data.catalogs.planetary import PlanetaryAccess
from tests import faulty_server
from tests.disks import mounted_disk
from tests.integration.maps import read_layers
from tests.integration.sensor_catalogs import DAYS, SMALL_AREA_M, area, hls

BOX = area(SMALL_AREA_M)
FIRST, SECOND = "hls2-s30.0", "hls2-l30.1"


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTAGEO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def expected(small_network, tmp_path_factory):
    """Maps from files on this disk: of both images, and of the second one alone."""
    base, maps = tmp_path_factory.mktemp("expected"), []
    content = json.loads(hls(base).read_text())
    for number in range(2):
        path = base / f"list{number}.json"
        path.write_text(json.dumps(content | {"features": content["features"][number:]}))
        made = instageo.map_area(small_network, BOX, tuple(DAYS), base / f"map{number}", catalog=str(path))
        maps.append(read_layers(made.maps[0]))
    assert (maps[0] != 255).sum() > 1.9 * (maps[1] != 255).sum() > 0
    return maps


@pytest.fixture
def root(tmp_path):
    """The folder of a catalogue's files, which tests damage."""
    (tmp_path / "files").mkdir()
    hls(tmp_path / "files")
    return tmp_path / "files"


@pytest.fixture
def server(root):
    with faulty_server.running(root) as port:
        yield port


def listed(root, port, *, folder="", change=lambda record: None):
    """Write a list of files behind a server, and return its path."""
    base = f"http://127.0.0.1:{port}"
    content = json.loads((root / "items.json").read_text()) | {"catalog": base}
    for record in content["features"]:
        for asset in record["assets"].values():
            asset["href"] = f"{base}{folder}/{asset['href']}"
        change(record)
    path = root.parent / f"list{len(list(root.parent.glob('list*')))}.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def map_area(small_network, tmp_path, request):
    """Map the area from a list or catalogue; return status, map (None without one), and the lines of the log."""

    def call(catalog, name="out", *options):
        status, _, err = request.getfixturevalue("instageo")(
            "map", small_network, "--area", BOX, "--date", "/".join(DAYS), "--catalog", catalog, "-o",
            tmp_path / name, *options,
        )  # fmt: skip
        path = tmp_path / name / "tiles" / "T32TPM.tif"
        return status, read_layers(path) if path.exists() else None, err.splitlines()

    return call


def shift(path, metres):
    """Move a file east."""
    with rasterio.open(path, "r+") as file:
        file.transform = Affine.translation(metres, 0) @ file.transform


def rewrite(path, **changes):
    with rasterio.open(path) as file:
        values, profile = file.read(), file.profile
    with rasterio.open(path, "w", **profile | changes) as file:
        file.write(values)


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


DAMAGES = {
    "first band missing": ("B02", lambda path: path.unlink(), "the server has no such file (HTTP 404)"),
    "last band missing": ("B12", lambda path: path.unlink(), "the server has no such file (HTTP 404)"),
    "quality missing": ("Fmask", lambda path: path.unlink(), "the server has no such file (HTTP 404)"),
    "empty file": ("Fmask", lambda path: path.write_bytes(b""), "truncated or damaged"),
    "half a file": ("B04", lambda path: cut(path, 0.5), "truncated or damaged"),
    "a page": ("B02", lambda path: path.write_text("<html>please log in</html>"), "truncated or damaged"),
    "refused": ("B03", lambda path: path.with_name(f"{path.name}.locked").touch(), "access denied (HTTP 403)"),
    "moved": ("B11", lambda path: shift(path, 300), "lies at 600300, 4892820 to 607500, 4900020 m (EPSG:32632)"),
    "other zone": ("B8A", lambda path: rewrite(path, crs="EPSG:32633"), "(EPSG:32633), but its record says"),
    "first elsewhere": ("B02", lambda path: shift(path, 10**6), "lies at 1600000"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_image_of_no_use_is_left_out_with_one_line(map_area, expected, root, server, damage):
    asset, change, message = DAMAGES[damage]
    change(root / f"{FIRST}_{asset}.tif")
    status, classes, log = map_area(listed(root, server))
    assert status == 0, log
    [line] = [line for line in log if "left out" in line]
    assert f"T32TPM: {FIRST} is left out: " in line
    assert message in line
    np.testing.assert_array_equal(classes, expected[1])
    record = json.loads((root.parent / "out" / "map_items.json").read_text())
    assert FIRST not in json.dumps(record["features"][0]["properties"])


def test_an_empty_quality_layer_shows_nothing_of_its_image(map_area, expected, root, server):
    path = root / f"{FIRST}_Fmask.tif"
    with rasterio.open(path, "r+") as file:
        file.write(np.full_like(file.read(), 255))
    status, classes, log = map_area(listed(root, server))
    assert (status, [line for line in log if "left out" in line]) == (0, []), log
    np.testing.assert_array_equal(classes, expected[1])


def test_an_image_without_grid_in_its_record_is_read_or_left_out(map_area, expected, root, server):
    def forget(record):
        for asset in record["assets"].values():
            del asset["proj:shape"], asset["proj:transform"]

    status, whole, log = map_area(listed(root, server, change=forget), "whole")
    assert status == 0, log
    (root / f"{FIRST}_B02.tif").unlink()
    with faulty_server.running(root) as other:
        status, classes, log = map_area(listed(root, other, change=forget))
        assert status == 0, log
        [line] = [line for line in log if "left out" in line]
        assert "1 image is left out, such as: " in line
    np.testing.assert_array_equal(whole, expected[0])
    np.testing.assert_array_equal(classes, expected[1])


def test_a_damaged_record_of_a_list_is_named_and_the_others_are_used(map_area, expected, root, server):
    def damage(record):
        if record["id"] == FIRST:
            record["properties"]["datetime"] = "yesterday"

    status, classes, log = map_area(listed(root, server, change=damage))
    assert status == 0, log
    np.testing.assert_array_equal(classes, expected[1])
    note = (
        f"{root.parent}/list0.json: 1 of 2 records is damaged and left out: feature 1: item {FIRST} of the "
        "catalogue has datetime=yesterday; expected an ISO time"
    )
    assert [line for line in log if note in line]
    assert note in (root.parent / "out" / "report.html").read_text()
    assert len(json.loads((root.parent / "out" / "items.json").read_text())["features"]) == 1


def test_no_image_of_use_is_one_sentence(map_area, root, server):
    for name in (FIRST, SECOND):
        (root / f"{name}_B03.tif").unlink()
    status, classes, log = map_area(listed(root, server))
    assert (status, classes) == (1, None)
    assert log[-1].startswith("error: T32TPM: no image of a date can be read, the last one because: ")
    assert log[-1].endswith("the server has no such file (HTTP 404)")


def test_a_private_address_in_a_public_catalogue_is_left_out(map_area, expected, root, server):
    def change(record):
        if record["id"] == FIRST:
            record["assets"]["B04"]["href"] = "file:///etc/passwd"

    status, classes, log = map_area(listed(root, server, change=change))
    assert status == 0, log
    np.testing.assert_array_equal(classes, expected[1])
    assert len([line for line in log if f"{FIRST} is left out" in line]) == 1


def test_a_server_that_is_down_ends_the_run_which_goes_on_later(map_area, expected, root, server):
    own = listed(root, server)
    (root / "down").touch()
    status, classes, log = map_area(own)
    assert (status, classes) == (1, None)
    assert log[-1].startswith("error: ")
    assert "the server is busy or down (HTTP 503)" in log[-1]
    assert not any("left out" in line for line in log)
    (root / "down").unlink()
    status, classes, log = map_area(own)
    assert status == 0, log
    np.testing.assert_array_equal(classes, expected[0])


def test_a_catalogue_that_is_down_is_one_sentence(map_area, tmp_path):
    status, classes, log = map_area("http://127.0.0.1:9", "out")
    assert (status, classes) == (1, None)
    assert log[-1].startswith("error: http://127.0.0.1:9: ")
    assert not (tmp_path / "out" / "items.json").exists()


def test_signatures_are_renewed_and_not_shown(map_area, expected, root, server, monkeypatch):
    """A token serves 100 requests; then the server refuses it."""
    base = f"http://127.0.0.1:{server}"
    own = Catalog("planetary", base, lambda root: PlanetaryAccess(root, f"{base}/token", f":{server}"))
    monkeypatch.setitem(catalogs.CATALOGS, "planetary", own)
    path = listed(root, server, folder="/signed")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"catalog": "planetary"}))
    status, classes, log = map_area(path, "out", "--cache-mb", "0")
    assert status == 0, log
    np.testing.assert_array_equal(classes, expected[0])
    assert not any("secret" in line for line in log)
    for file in (root.parent / "out").rglob("*"):
        assert not file.is_file() or b"secret" not in file.read_bytes()


def test_a_run_without_a_usable_cache_makes_the_same_map(map_area, expected, root, server, tmp_path, monkeypatch):
    own = listed(root, server)
    for kind in ("full", "read-only"):
        with mounted_disk(tmp_path / kind, "32k") as make_read_only:
            if kind == "read-only":
                make_read_only()
            monkeypatch.setenv("INSTAGEO_CACHE", str(tmp_path / kind))
            status, classes, log = map_area(own, f"{kind}_out")
        assert status == 0, log
        np.testing.assert_array_equal(classes, expected[0])
        assert len([line for line in log if "blocks of images are no longer kept" in line]) == 1, log


def test_damaged_blocks_of_the_cache_are_fetched_again(map_area, expected, root, server, tmp_path):
    own = listed(root, server)
    map_area(own, "first")
    rng = np.random.default_rng(0)
    paths = sorted((tmp_path / "cache").rglob("*.block"))
    for path in paths:
        content = bytearray(path.read_bytes())
        content[rng.integers(16, len(content))] ^= 1 + int(rng.integers(255))
        path.write_bytes(content[: None if rng.random() < 0.5 else len(content) // 2])
    assert len(paths) >= 14
    status, classes, _ = map_area(own)
    assert status == 0
    np.testing.assert_array_equal(classes, expected[0])


def test_a_full_disk_of_maps_ends_the_run_which_goes_on_later(map_area, expected, root, server, tmp_path):
    own = listed(root, server)
    with mounted_disk(tmp_path / "out", "16k"):
        status, classes, log = map_area(own)
        assert (status, classes) == (1, None)
        assert log[-1].startswith(f"error: {tmp_path}/out")
        assert "No space left on device" in log[-1]
        subprocess.run(["mount", "-o", "remount,size=9m", tmp_path / "out"], check=True)
        status, classes, log = map_area(own)
        assert status == 0, log
    np.testing.assert_array_equal(classes, expected[0])
