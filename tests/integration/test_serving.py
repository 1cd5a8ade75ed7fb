"""A real server on loopback: maps equal to those of `mode=chip_inference`, refusals, a killed process, the page."""

import io
import json
import os
import re
import shutil
import signal

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

from instageo.model.run import main
from instageo.raster.grid import Grid
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster
from tests.integration.conftest import QUICK, write_chips
from tests.integration.servers import BOUNDARY, chip_inference, image, load, serving, wait_for
from tests.tiffs import UTM_AREA_SCALE, write_masked_tiff


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Runs of three kinds: classes, regression, three dates; each with the folder of its chips."""
    base = tmp_path_factory.mktemp("models")
    runs = {}
    for name, steps, extra in (
        ("classes", 1, ["model.class_names=[Dry,Water]"]),
        ("values", 1, ["is_reg_task=true"]),
        ("dates", 3, ["dataloader.temporal_dim=3"]),
    ):
        data = write_chips(base / f"{name}_data", num_dates=steps)
        tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
        assert main([*tables, *QUICK, *extra, f"hydra.run.dir={base / name}"]) == 0
        runs[name] = (base / name, data)
    return runs


@pytest.fixture(scope="module")
def server(models, tmp_path_factory):
    samples = tmp_path_factory.mktemp("samples")
    shutil.copy(next((models["classes"][1] / "chips").glob("*.tif")), samples / "sample.tif")
    runs = [f"{name}={run}" for name, (run, _) in models.items()]
    limits = ["--max-models", "2", "--upload-mb", "40", "--megapixels", "4", "--allow-urls"]
    with serving(*runs, "--samples", samples, *limits) as running:
        yield running


CASES = [
    ("classes", 6, 32), ("classes", 6, 512), ("classes", 6, (45, 71)), ("values", 6, 32), ("values", 6, (512, 40)),
    ("dates", 18, 32), ("dates", 18, (33, 80)),
]  # fmt: skip


@pytest.mark.parametrize(("model", "layers", "side"), CASES)
def test_the_map_is_that_of_chip_inference(server, models, tmp_path, model, layers, side):  # pitfall 2, 3, 6
    chip = image(tmp_path, (layers,), side=side)
    status, headers, body = server.send(f"/v1/predict?model={model}", chip.read_bytes())
    assert (status, headers["content-type"].partition(";")[0]) == (200, "image/tiff")
    (tmp_path / "map.tif").write_bytes(body)
    served, expected = read_raster(tmp_path / "map.tif"), chip_inference(models[model][0], chip, tmp_path)
    assert served.grid == expected.grid
    np.testing.assert_array_equal(served.valid, expected.valid)
    if model == "values":
        np.testing.assert_allclose(served.values, expected.values, rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_array_equal(served.values, expected.values)
        assert served.tags["CLASS_NAMES"] == expected.tags["CLASS_NAMES"]
    with rasterio.open(tmp_path / "map.tif") as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_all_formats(server, tmp_path):  # pitfall 34
    processes = server.replica_processes()
    chip = image(tmp_path, (6,)).read_bytes()
    summary = json.loads(server.send("/v1/predict?format=json", chip)[2])
    assert [line["name"] for line in summary["classes"]] == ["Dry", "Water"]
    pixels = sum(line["pixels"] for line in summary["classes"])
    assert pixels == 32 * 32 - 5 * 7
    assert sum(line["area_km2"] for line in summary["classes"]) == pytest.approx(pixels * 0.0009 / UTM_AREA_SCALE)
    assert summary["valid_share"] == pytest.approx(pixels / 1024, abs=1e-6)
    classes = np.load(io.BytesIO(server.send("/v1/predict?format=npy", chip)[2]))
    assert [int((classes == value).sum()) for value in (0, 1)] == [line["pixels"] for line in summary["classes"]]
    probabilities = np.load(io.BytesIO(server.send("/v1/predict?format=npy&probabilities=true", chip)[2]))
    assert probabilities.shape == (2, 32, 32)
    np.testing.assert_allclose(probabilities.sum(0)[classes != 255], 1, rtol=1e-5)
    png = server.send("/v1/predict?format=png", chip)[2]
    assert png.startswith(b"\x89PNG")
    (tmp_path / "probabilities.tif").write_bytes(server.send("/v1/predict?probabilities=true", chip)[2])
    np.testing.assert_array_equal(read_raster(tmp_path / "probabilities.tif").values, probabilities)
    values = json.loads(server.send("/v1/predict?format=json&model=values", chip)[2])["values"]
    assert values["count"] == pixels
    assert values["min"] <= values["mean"] <= values["max"]
    assert server.replica_processes() == processes  # requests start and stop nothing


def test_answers_say_how_an_image_differs_from_the_training(server, models, tmp_path):
    path = models["classes"][1] / "chips" / "chip_0.tif"
    usual = json.loads(server.send("/v1/predict?format=json", path.read_bytes())[2])
    raster = read_raster(path)
    bright = np.where(raster.values > 0, raster.values.astype(int) * 8, raster.values).astype(np.int16)
    write_raster(tmp_path / "bright.tif", bright, raster.grid)
    unlike = json.loads(server.send("/v1/predict?format=json", (tmp_path / "bright.tif").read_bytes())[2])
    bands = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
    assert (usual["unlike_training"], unlike["unlike_training"]) == ({}, dict.fromkeys(bands, "higher"))


def test_tiles_and_the_map_of_a_result(server, tmp_path):
    chip = image(tmp_path, (6,), side=(300, 520)).read_bytes()
    result = json.loads(server.send("/v1/predict/show", chip)[2])
    assert (result["tile"], result["levels"], result["layers"]) == (256, 3, ["image", "prediction"])
    url = f"/v1/results/{result['name']}"

    def pixels(path):
        status, headers, content = server.get(path)
        assert (status, headers["content-type"]) == (200, "image/png")
        return np.asarray(Image.open(io.BytesIO(content)))

    tiles = [[pixels(f"{url}/prediction/0/{row}/{column}.png") for column in range(3)] for row in range(2)]
    whole = np.asarray(Image.open(io.BytesIO(server.send("/v1/predict?format=png", chip)[2])))
    np.testing.assert_array_equal(np.vstack([np.hstack(row) for row in tiles]), whole)
    np.testing.assert_array_equal(pixels(f"{url}/prediction/2/0/0.png"), whole[::4, ::4])
    assert pixels(f"{url}/image/2/0/0.png").shape == (75, 130, 4)
    (tmp_path / "result.tif").write_bytes(server.get(f"{url}/prediction.tif")[2])
    (tmp_path / "map.tif").write_bytes(server.send("/v1/predict", chip)[2])
    downloaded, expected = read_raster(tmp_path / "result.tif"), read_raster(tmp_path / "map.tif")
    np.testing.assert_array_equal(downloaded.values, expected.values)
    assert downloaded.grid == expected.grid
    for path in ("prediction/0/2/0.png", "other/0/0/0.png", "image/-1/0/0.png", "image/9/0/0.png", "../../etc/passwd"):
        status, _, content = server.get(f"{url}/{path}")
        assert (status in (404, 422), b"detail" in content) == (True, True)
    assert server.get("/v1/results/unknown/prediction.tif")[0] == 404


def test_a_regression_has_a_colour_ramp(server, tmp_path):
    content = image(tmp_path, (6,)).read_bytes()
    result = json.loads(server.send("/v1/predict/show?model=values", content)[2])
    ramp, values = result["ramp"], result["values"]
    assert values["min"] <= ramp["low"] <= ramp["high"] <= values["max"]
    assert ramp["colors"][0] == "#440154"
    assert "ramp" not in json.loads(server.send("/v1/predict/show", content)[2])


def test_masked_pixels_have_no_class_and_no_area(server, tmp_path):  # pitfall 70
    seen = np.ones((32, 32), bool)
    seen[:, :16] = False
    values = np.where(seen, 1000, 20_000).astype(np.int16)
    for kind in ("internal", "alpha"):  # requests hold one file, so no side-car
        write_masked_tiff(tmp_path / "chip.tif", np.stack([values] * 6), seen, kind)
        chip = (tmp_path / "chip.tif").read_bytes()
        answer = json.loads(server.send("/v1/predict?format=json", chip)[2])
        assert answer["valid_share"] == 0.5
        assert sum(line["area_km2"] for line in answer["classes"]) == pytest.approx(512 * 0.0009 / UTM_AREA_SCALE)
        classes = np.load(io.BytesIO(server.send("/v1/predict?format=npy", chip)[2]))
        np.testing.assert_array_equal(classes != 255, seen)


def test_several_files_at_once(server, tmp_path):
    good = image(tmp_path, (6,)).read_bytes()
    body = b""
    for name, content in (("a.tif", good), ("b.tif", b"nothing"), ("c.tif", good)):
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
        body += head + content + b"\r\n"
    body += f"--{BOUNDARY}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    status, _, content = server.request("POST", "/v1/predict/batch", body, kind)
    first, second, third = json.loads(content)["results"]
    assert status == 200
    assert (first["file"], second["status"], third["classes"]) == ("a.tif", 415, first["classes"])


def test_models_health_and_metrics(server):
    assert [model["name"] for model in json.loads(server.get("/v1/models")[2])["models"]] == [
        "classes",
        "values",
        "dates",
    ]
    model = json.loads(server.get("/v1/models/dates")[2])
    assert (model["dates"], model["bands"][0], model["image_level"]) == (3, "BLUE", False)
    assert (model["expected_layers"], model["layers"]) == (18, None)
    assert model["read_as"][1] == dict(zip(model["bands"], range(6, 12), strict=True))
    assert server.get("/healthz")[0] == 200
    text = server.get("/metrics")[2].decode()
    assert 'instageo_requests_total{model="classes",status="200"}' in text
    assert "instageo_batch_tiles_sum" in text


HUGE = b"II*\0" + (8).to_bytes(4, "little")


def tiff(tmp_path, **options):
    """A sparse TIFF with huge dimensions."""
    profile = {"driver": "GTiff", "width": 60_000, "height": 60_000, "count": 6, "dtype": "int16", "SPARSE_OK": True,
               "tiled": True, "compress": "deflate", "blockxsize": 4096, "blockysize": 4096} | options  # fmt: skip
    with rasterio.open(tmp_path / "huge.tif", "w", **profile):
        pass
    return (tmp_path / "huge.tif").read_bytes()


def bad_uploads(tmp_path):
    good = image(tmp_path, (6,)).read_bytes()
    vrt = b'<VRTDataset rasterXSize="9" rasterYSize="9"><VRTRasterBand band="1" dataType="Byte"><SimpleSource>' \
          b"<SourceFilename>/etc/passwd</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"  # fmt: skip
    nan = np.full((6, 32, 32), np.nan, np.float32)
    write_raster(tmp_path / "nan.tif", nan, Grid(None, Affine.identity(), 32, 32))
    return {
        "empty": (b"", "empty|expected"),
        "text": (b"hello", "not a TIFF"),
        "cut after the head": (good[:100], "not a complete GeoTIFF|not a TIFF"),
        "cut in the middle": (good[: len(good) // 2], "."),
        "only a signature": (HUGE, "not a complete GeoTIFF"),
        "zeros behind a signature": (HUGE + bytes(5000), "not a complete GeoTIFF"),
        "noise behind a signature": (HUGE + np.random.default_rng(0).bytes(5000), "not a complete GeoTIFF"),
        "a PNG": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a TIFF"),
        "a ZIP": (b"PK\x03\x04" + bytes(100), "not a TIFF"),
        "a pickle": (b"\x80\x04\x95" + bytes(100), "not a TIFF"),
        "a VRT": (vrt, "not a TIFF"),
        "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "not a TIFF"),
        "huge dimensions": (tiff(tmp_path), "the limit is 4 million"),
        "many layers": (tiff(tmp_path, width=1000, height=1000, count=2000, blockxsize=512, blockysize=512), "MB when"),
        "too few bands": (image(tmp_path, (5,), name="five.tif").read_bytes(), "5"),
        "too many bands": (image(tmp_path, (7,), name="seven.tif").read_bytes(), "7"),
        "one band": (image(tmp_path, (1,), name="one.tif").read_bytes(), "1"),
        "more than the limit": (bytes(41_000_000), "larger than 40 MB"),
    }  # fmt: skip


def test_bad_uploads_are_refused_and_do_no_harm(server, tmp_path):
    for case, (content, message) in bad_uploads(tmp_path).items():
        status, headers, body = server.send("/v1/predict", content)
        assert 400 <= status < 500, (case, status, body[:300])
        assert headers["content-type"] == "application/problem+json", case
        problem = json.loads(body)
        assert re.search(message, problem["detail"]), (case, problem)
        assert "Traceback" not in problem["detail"]
        assert str(tmp_path) not in problem["detail"]
        assert "/tmp/" not in problem["detail"], (case, problem)
    assert server.send("/v1/predict", image(tmp_path, (6,)).read_bytes())[0] == 200


def test_an_image_without_any_observation(server, tmp_path):
    nan = np.full((6, 32, 32), np.nan, np.float32)
    write_raster(tmp_path / "nan.tif", nan, Grid(None, Affine.identity(), 32, 32))
    status, _, body = server.send("/v1/predict?format=json", (tmp_path / "nan.tif").read_bytes())
    assert (status, json.loads(body)["valid_share"]) == (200, 0)


def test_invalid_requests_are_refused(server, tmp_path):
    good, twelve = image(tmp_path, (6,)).read_bytes(), image(tmp_path, (12,), name="twelve.tif").read_bytes()
    for status, message, response in (
        (
            422,
            "the image: has 12 layers, expected 18 (3 dates x 6 bands",
            server.send("/v1/predict?model=dates", twelve),
        ),
        (422, "expected exactly one of file, url and sample", server.send("/v1/predict")),
        (422, "expected exactly one of", server.send("/v1/predict", good, url="http://example.org/a.tif")),
        (404, "unknown model 'x'; expected one of classes, values, dates", server.send("/v1/predict?model=x", good)),
        (404, "unknown sample '../../etc/passwd'", server.send("/v1/predict", sample="../../etc/passwd")),
        (422, "query.format", server.send("/v1/predict?format=exe", good)),
        (422, "query.probabilities", server.send("/v1/predict?probabilities=maybe", good)),
        (404, "Not Found", server.get("/v1/nothing")),
        (404, "unknown model", server.get("/v1/models/..%2f..%2fetc")),
        (405, "Method Not Allowed", server.get("/v1/predict")),
        (
            422,
            "expected http or https and the name of a known host",
            server.send("/v1/predict", url="file:///etc/passwd"),
        ),
        (
            422,
            "expected http or https and the name of a known host",
            server.send("/v1/predict", url="/vsicurl/http://127.0.0.1/"),
        ),
        (403, "private network", server.send("/v1/predict", url=f"http://127.0.0.1:{server.port}/healthz")),
        (403, "private network", server.send("/v1/predict", url="http://localhost/a.tif")),
        (403, "private network", server.send("/v1/predict", url="http://[::1]/a.tif")),
        (403, "private network", server.send("/v1/predict", url="http://169.254.169.254/latest/meta-data")),
        (403, "private network", server.send("/v1/predict", url="http://0x7f000001/a.tif")),
        (422, "user name or a password", server.send("/v1/predict", url="http://me:hush@127.0.0.1/a.tif")),
    ):
        assert response[0] == status, (message, response[2][:300])
        assert message in json.loads(response[2])["detail"]


def test_requests_generated_from_openapi_cause_no_server_error(server):
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import CheckContext  # noqa: F401  # fails here if it is missing

    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def never_fails(case):
            nonlocal tried
            response = case.call()
            tried += 1
            assert response.status_code < 500, (case.method, case.path, response.status_code, response.text[:300])

        never_fails()
    assert tried >= 50
    assert server.get("/healthz")[0] == 200


def test_more_models_than_max_models_are_loaded_in_turn(server, tmp_path):
    one, three = image(tmp_path, (6,)).read_bytes(), image(tmp_path, (18,), name="three.tif").read_bytes()
    for model, chip in (("classes", one), ("values", one), ("dates", three), ("classes", one)):
        assert server.send(f"/v1/predict?model={model}&format=json", chip)[0] == 200


def test_a_killed_process_loses_no_request(server, tmp_path):
    """Tiles that were sent to it are sent to the next."""
    content = image(tmp_path, (6,)).read_bytes()
    [before] = server.replica_processes()
    with load(server, content, clients=6, path="/v1/predict?model=classes&format=json") as statuses:
        assert wait_for(lambda: len(statuses) > 20, 600)
        os.kill(before, signal.SIGKILL)
        replaced = wait_for(lambda: server.replica_processes() not in ([], [before]), 600)
        before_count = len(statuses)
        assert wait_for(lambda: len(statuses) > before_count + 20, 600)
    assert replaced
    assert set(statuses) == {200}


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
def test_the_page_in_a_browser(server, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    chip = image(tmp_path, (6,), side=96)
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(600_000)
        asked, wrong = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.locator("#needs", has_text="SWIR_2").wait_for(state="attached")
        transfer = page.evaluate_handle(
            """(bytes) => { const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "chip.tif", {type: "image/tiff"})); return data; }""",
            list(chip.read_bytes()),
        )
        page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})
        page.locator("#status", has_text="done").wait_for(state="attached", timeout=600_000)
        names = page.eval_on_selector_all(
            "#legend tbody td:nth-child(2)", "cells => cells.map(cell => cell.textContent)"
        )
        colored = page.evaluate(
            """async () => { const image = document.querySelector("#prediction img"); await image.decode();
            const canvas = document.createElement("canvas");
            canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
            const context = canvas.getContext("2d"); context.drawImage(image, 0, 0);
            return Array.from(context.getImageData(50, 50, 1, 1).data); }"""
        )
        assert page.inner_text("#facts").startswith("chip.tif, model classes; 96 × 96 pixels")
        page.fill("#opacity", "40")
        assert page.evaluate("getComputedStyle(document.getElementById('prediction')).opacity") == "0.4"
        with page.expect_download() as download:
            page.click("#download")
        download.value.save_as(tmp_path / "downloaded.tif")
        page.screenshot(path=os.environ.get("INSTAGEO_SCREENSHOT", str(tmp_path / "page.png")))
        page.set_input_files("#file", {"name": "x.tif", "mimeType": "image/tiff", "buffer": b"nothing"})
        page.locator("#status", has_text="not a TIFF").wait_for(state="attached")
        assert page.locator("#layers img").count() == 0  # nothing of the image before is left
        assert not page.is_visible("#result")
        assert page.inner_text("#empty") == "No image yet."
        page.goto(f"http://127.0.0.1:{server.port}/docs")
        page.locator("#api", has_text="/v1/predict/batch").wait_for(state="attached")
        assert "Up to 32 GeoTIFFs." in page.inner_text("#api")
        page.screenshot(path=os.environ.get("INSTAGEO_DOCS_SCREENSHOT", str(tmp_path / "docs.png")))
        browser.close()
    assert names == ["Dry", "Water"]
    assert colored in ([230, 224, 200, 255], [65, 155, 223, 255])  # usual colours of land and water
    assert read_raster(tmp_path / "downloaded.tif").grid.shape == (96, 96)
    assert wrong == []
    assert all(url.startswith((f"http://127.0.0.1:{server.port}/", "data:", "blob:")) for url in asked)
