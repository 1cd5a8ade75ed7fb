"""Parts of the server that need no server."""

import asyncio
import inspect
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from instageo.cli import app
from instageo.errors import ConfigError
from instageo.model.commands.serve import named
from instageo.model.networks.device import pick_device
from instageo.model.tasks.predictions import RegressionPrediction
from instageo.serving.errors import HTTPProblem
from instageo.serving.formats import as_png, picture, ramp, view
from instageo.serving.inputs import fetch_url
from instageo.serving.middleware import LimitsMiddleware
from instageo.serving.settings import RequestLimits, ServerSettings, server_settings_from_dict
from instageo.serving.tiles import ResultCache


def test_a_configuration_says_all_of_a_server(tmp_path):
    run = tmp_path / "floods"
    run.mkdir()
    arguments = [
        "serve",
        str(run),
        "crops=registry:crops/tiny@1",
        "--replicas",
        "4",
        "--emit-config",
        str(tmp_path / "s.yaml"),
    ]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    plain = yaml.safe_load((tmp_path / "s.yaml").read_text())["applications"][0]
    assert plain["import_path"] == "instageo.serving.app:application"
    told = server_settings_from_dict(plain["args"])
    assert told.models == {"floods": str(run), "crops": "registry:crops/tiny@1"}
    assert (told.replicas, told.limits) == (4, RequestLimits())


def test_the_example_for_kubernetes_is_a_server():
    told = yaml.safe_load((Path(__file__).parents[3] / "deploy" / "kuberay.yaml").read_text())
    [application] = yaml.safe_load(told["spec"]["serveConfigV2"])["applications"]
    assert server_settings_from_dict(application["args"]).models == {"floods/tiny": "registry:floods/tiny@production"}
    assert application["import_path"] == "instageo.serving.app:application"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings
@pytest.mark.parametrize(("gpus", "asked"), [(0.0, {"num_cpus": 1}), (2.0, {"num_cpus": 0, "num_gpus": 1})])
def test_networks_ask_for_a_gpu_where_there_are_any(monkeypatch, gpus, asked):  # pitfall 34
    import ray

    from instageo.serving.app import application

    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0, "GPU": gpus})
    bound = application(ServerSettings({"m": "registry:m"}).plain())
    [networks] = bound._bound_deployment.init_args
    assert networks._bound_deployment.ray_actor_options == asked


def test_a_gpu_is_called_as_pytorch_calls_it(monkeypatch):  # pitfall 34
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for accelerator in ("auto", "gpu", "cuda"):
        assert torch.device(pick_device(accelerator)).type == "cuda"


def test_names_of_models(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.ckpt").touch()
    assert named([str(tmp_path / "a" / "x.ckpt")]) == {"a": str(tmp_path / "a" / "x.ckpt")}
    assert named(["registry:floods/tiny@production"]) == {"floods/tiny": "registry:floods/tiny@production"}
    with pytest.raises(ConfigError, match="another model is called 'a', too; name it otherwise"):
        named([str(tmp_path / "a"), f"a={tmp_path}"])
    with pytest.raises(ConfigError, match="no such checkpoint; expected a file, a run's directory"):
        named([str(tmp_path / "b")])


def test_limits_that_make_no_sense():
    for wrong in (
        lambda: RequestLimits(waiting=0),
        lambda: ServerSettings({}),
        lambda: ServerSettings({"a": "b"}, replicas=0),
    ):
        with pytest.raises(ConfigError, match=r"expected"):
            wrong()
    with pytest.raises(ConfigError, match="the server's arguments do not fit"):
        server_settings_from_dict({"models": {"a": "b"}, "colour": 1})


@pytest.fixture
def site():
    """A web server of this machine: /file gives bytes, /away leads elsewhere, /round leads to itself."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            leads = {"/away": "http://10.0.0.1/", "/round": "/round", "/on": "/file"}.get(self.path)
            self.send_response(302 if leads else 200 if self.path == "/file" else 404)
            if leads:
                self.send_header("Location", leads)
            self.end_headers()
            if self.path == "/file":
                self.wfile.write(b"x" * 2_000_000)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_images_are_fetched_within_limits(site, tmp_path):
    target, own = tmp_path / "image.tif", RequestLimits(fetch=True, fetch_private=True)
    fetch_url(f"{site}/on", target, own)
    assert target.read_bytes() == b"x" * 2_000_000
    for path, limits, status, told in (
        ("/file", RequestLimits(fetch=True, fetch_private=True, upload_mb=1), 413, "larger than 1 MB"),
        ("/none", own, 422, "answers 404"),
        ("/round", own, 422, "redirects more than 3 times"),
        ("/file", RequestLimits(fetch=True), 403, "private network"),
        ("/file", RequestLimits(), 403, "takes no URLs"),
    ):
        with pytest.raises(HTTPProblem, match=told) as caught:
            fetch_url(f"{site}{path}", target, limits)
        assert caught.value.status == status


def test_a_redirection_into_a_private_network_is_not_followed(site, tmp_path, monkeypatch):
    from instageo.serving import inputs

    real = inputs.ipaddress.ip_address
    monkeypatch.setattr(inputs.ipaddress, "ip_address", lambda text: real("1.1.1.1" if text == "127.0.0.1" else text))
    with pytest.raises(HTTPProblem, match="private network"):
        fetch_url(f"{site}/away", tmp_path / "image.tif", RequestLimits(fetch=True))


def test_a_body_without_a_length_is_counted():
    async def app(scope, receive, send):
        while (await receive())["more_body"]:
            pass

    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"x" * 600_000, "more_body": True}

    scope = {"type": "http", "path": "/v1/predict", "method": "POST", "headers": []}
    gate = LimitsMiddleware(app, RequestLimits(upload_mb=1))
    asyncio.run(gate(scope, receive, send))
    assert sent[0]["status"] == 413
    assert gate.inside == 0


def test_pictures_are_small_and_hide_what_was_not_observed():
    valid = np.ones((3000, 10), dtype=bool)
    valid[0] = False
    values = np.linspace(0, 1, 30_000, dtype=np.float32).reshape(3000, 10)
    pixels = picture(None, RegressionPrediction(values, valid))
    assert pixels.shape == (3000, 10, 4)
    assert (pixels[0, :, 3] == 0).all()
    assert tuple(pixels[-1, -1]) == (253, 231, 37, 255)
    assert int.from_bytes(as_png(pixels)[20:24], "big") == 1000  # every third row
    seen = view(np.zeros((2, 1, 4, 4), np.float32), np.zeros((1, 4, 4), bool), ("GREEN", "RED"))
    assert (seen[..., 3] == 0).all()


def png(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize(("shape", "levels"), [((5, 7), 1), ((256, 256), 1), ((257, 10), 2), ((600, 1100), 4)])
def test_tiles_put_together_are_the_picture(shape, levels):
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 4), np.uint8)
    results = ResultCache(10**9)
    kept = results.keep({"prediction": pixels}, b"map")
    assert (kept.levels, kept.layers, kept.download) == (levels, ("prediction",), True)
    for level in range(levels):
        expected = pixels[:: 2**level, :: 2**level]
        rows, columns = (-(-side // 256) for side in expected.shape[:2])
        parts = [
            np.hstack([png(results.tile(kept.name, "prediction", level, row, column)) for column in range(columns)])
            for row in range(rows)
        ]
        np.testing.assert_array_equal(np.vstack(parts), expected)
    assert max(expected.shape[:2]) <= 256
    assert results.download(kept.name) == b"map"
    for asked in (("prediction", 0, rows + 9, 0), ("prediction", levels, 0, 0), ("image", 0, 0, 0)):
        with pytest.raises(HTTPProblem, match=r"no such result|has no tile"):
            results.tile(kept.name, *asked)
    for name in ("", "..", "../..", "x" * 22):
        with pytest.raises(HTTPProblem, match="no such result"):
            results.tile(name, "prediction", 0, 0, 0)


def test_the_image_becomes_smaller_by_means_and_classes_are_not_mixed():
    pixels = np.zeros((300, 2, 4), np.uint8)
    pixels[::2, :, 0] = 200  # rows of 200 and 0
    pixels[..., 3] = 255
    pixels[:2, 0] = 0  # not observed: two of the first four pixels
    results = ResultCache(10**9)
    name = results.keep({"image": pixels, "prediction": pixels}, None).name
    image, prediction = (png(results.tile(name, layer, 1, 0, 0)) for layer in ("image", "prediction"))
    np.testing.assert_array_equal(image[1:, 0], np.tile([100, 0, 0, 255], (149, 1)))
    np.testing.assert_allclose(image[0, 0], [100, 0, 0, 128], atol=1)
    np.testing.assert_array_equal(prediction[1:, 0], np.tile([200, 0, 0, 255], (149, 1)))


def test_the_ramp_of_a_picture_of_values():
    values, valid = np.arange(101, dtype=np.float32)[None], np.ones((1, 101), bool)
    told = ramp(RegressionPrediction(values, valid))
    assert (told["low"], told["high"]) == (2, 98)
    assert (told["colors"][0], told["colors"][-1]) == ("#440154", "#fde725")
    assert ramp(RegressionPrediction(values, ~valid))["high"] == 1


def test_the_oldest_results_go():
    pixels = np.zeros((100, 100, 4), np.uint8)
    results = ResultCache(100_000)  # two of 40,000 bytes
    names = [results.keep({"image": pixels}, None).name for _ in range(3)]
    assert len(set(names)) == 3
    with pytest.raises(HTTPProblem):
        results.tile(names[0], "image", 0, 0, 0)
    assert all(results.tile(name, "image", 0, 0, 0) for name in names[1:])
    large = results.keep({"image": np.zeros((400, 400, 4), np.uint8)}, None)
    assert results.tile(large.name, "image", 0, 1, 1)
    assert len(list(results.folder.iterdir())) == 1
    with pytest.raises(HTTPProblem):
        results.download(large.name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own settings
def test_threads_stay_from_request_to_request():
    from instageo.serving.endpoints import Endpoints

    def work(model: str | None = None) -> tuple[str | None, int]:
        """What it does."""
        return (model, threading.get_ident())

    call = Endpoints(None, ServerSettings({"m": "registry:m"})).threaded(work)
    assert (inspect.signature(call), call.__doc__) == (inspect.signature(work), work.__doc__)
    assert inspect.iscoroutinefunction(call)
    told = {asyncio.run(call(model="x")) for _ in range(20)}  # Ray Serve ends what FastAPI begins with each request
    alive = {thread.ident for thread in threading.enumerate()}
    assert all(model == "x" and thread in alive for model, thread in told)
