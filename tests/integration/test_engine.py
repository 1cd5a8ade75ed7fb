"""`engine.backend` and `engine.precision`: every backend makes the same maps, and none continues another's."""

import json
import logging

import numpy as np
import pytest
import rasterio
import torch

import instageo as package
from instageo.errors import ConfigError
from instageo.serving.settings import ServerSettings
from tests.integration.conftest import write_chips
from tests.integration.maps import read_layers, scene_values, write_raster

pytest.importorskip("openvino", reason="the extra `fast` is not installed")


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("shared_cache")


@pytest.fixture(autouse=True)
def own_cache(shared_cache, monkeypatch):
    """Tests of this file share converted models, which take long to make."""
    monkeypatch.setenv("INSTAGEO_CACHE", str(shared_cache))


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return write_raster(tmp_path_factory.mktemp("scene") / "scene.tif", scene_values(150, 170))


def tags_of(path):
    with rasterio.open(path) as file:
        return file.tags()


def test_maps_by_every_backend_agree(small_network, scene, instageo, tmp_path):
    outputs = {}
    for backend in ("torch", "openvino", "onnxruntime"):
        pytest.importorskip(backend)
        outputs[backend] = tmp_path / f"{backend}.tif"
        status, _, err = instageo("map", small_network, scene, "-o", outputs[backend], "--backend", backend)
        assert status == 0, err
        assert tags_of(outputs[backend])["INSTAGEO_ENGINE"].startswith(f"{backend} f32")
    expected = read_layers(outputs["torch"])
    for path in outputs.values():
        assert np.mean(read_layers(path) == expected) >= 0.999


def test_a_map_is_made_again_by_another_backend_and_kept_by_the_same(small_network, scene, instageo, tmp_path):
    output = tmp_path / "map.tif"
    for arguments, kept in (
        (["--backend", "torch"], False),
        (["--backend", "openvino"], False),
        (["--backend", "openvino"], True),
    ):
        status, _, err = instageo("map", small_network, scene, "-o", output, *arguments)
        assert status == 0, err
        assert ("kept, since it is of the same scene, model and settings" in err) == kept
    assert tags_of(output)["INSTAGEO_ENGINE"].startswith("openvino f32 ")


@pytest.mark.parametrize("mode", ["eval", "chip_inference"])
def test_chips_of_a_table(small_network, run, tmp_path, mode):
    data = write_chips(tmp_path / "data", count=6)
    found = {}
    for backend in ("torch", "openvino"):
        where = [f"root_dir={data}", "test_filepath=train.csv", "accelerator=cpu", "logger=none"]
        checkpoint = f"checkpoint_path={small_network}/instageo_best_checkpoint.ckpt"
        status, _, err = run(f"mode={mode}", checkpoint, f"engine.backend={backend}", *where, folder=backend)
        assert status == 0, err
        folder = tmp_path / backend
        assert json.loads((folder / "run.json").read_text())["network"]["engine"].startswith(f"{backend} f32")
        if mode == "eval":
            found[backend] = json.loads((folder / "metrics.json").read_text())["mIoU"]
        else:
            paths = sorted((folder / "predictions").rglob("*.tif"))
            found[backend] = np.stack([read_layers(path) for path in paths])
    np.testing.assert_allclose(found["openvino"], found["torch"], atol=1e-3)


def test_loaded_models_take_a_backend(small_network, scene):
    expected = package.load_model(small_network, device="cpu").predict(scene)
    model = package.load_model(small_network, device="cpu", backend="openvino")
    assert model.engine.startswith("openvino f32 ")
    np.testing.assert_allclose(model.predict(scene).probabilities, expected.probabilities, atol=1e-5)
    with pytest.raises(ConfigError, match=r"engine.backend=opnvino does not work; .* did you mean openvino"):
        package.load_model(small_network, backend="opnvino")


def test_a_server_answers_as_with_pytorch(small_network, caplog):
    pytest.importorskip("ray.serve", reason="the extra `serve` is not installed")
    from instageo.serving.replicas.backend_trials import BackendTrials
    from instageo.serving.replicas.model_replica import TileBatch, _compute_batch

    assert ServerSettings({"a": "b"}).backend == "auto"
    source = str(small_network)
    generator = np.random.default_rng(0)
    tiles = TileBatch(
        "a",
        generator.standard_normal((3, 6, 1, 32, 32)).astype(np.float32),
        np.full((3, 1, 2), np.nan, np.float32),
        np.full((3, 2), np.nan, np.float32),
    )
    named, plain = BackendTrials("openvino", "auto"), BackendTrials("torch", "f32")
    answers = [
        _compute_batch([(trials.current(source, trials.load(source), tiles.to_chips()), tiles)])[0].logits
        for trials in (plain, named)
    ]
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-4)
    caplog.set_level(logging.INFO)
    trials = BackendTrials("auto", "auto", min_tiles=4)
    predictor = trials.load(source)
    for _ in range(2):  # the second reaches the number of tiles after which backends are tried
        predictor = trials.current(source, predictor, tiles.to_chips())
    trials.close()
    assert [line for line in caplog.messages if line.startswith("engine: ") and "100.00 % as PyTorch; tried: " in line]
    with torch.inference_mode():
        outputs = trials.current(source, predictor, tiles.to_chips()).compute(*tiles.to_chips())
    np.testing.assert_allclose(outputs.numpy(), answers[0], atol=1e-4)


def test_engines_by_their_former_key(run, tmp_path):
    status, out, err = run("engine=rya")
    assert status != 0
    assert "engine.kind: Invalid value 'rya', expected one of [local, ray]; did you mean ray?" in out + err
    status, out, err = run("engine.backend=onnx")
    assert status != 0
    assert "engine.backend=onnx does not work" in out + err


def test_int8_is_not_calibrated_with_noise(small_network, caplog):
    model = package.load_model(small_network, device="cpu", precision="int8")
    assert model.engine == "torch f32"
    assert "int8 is calibrated once for each model, with at least 8 tiles: run mode=chip_inference" in caplog.text


def test_bench(small_network, scene, instageo, tmp_path):
    path = tmp_path / "bench.json"
    options = ["--seconds", "0.2", "--threads", "1", "--price-per-hour", "0.5", "--json", path, "--device", "cpu"]
    for where in ([], ["--scene", scene]):
        status, out, err = instageo("bench", small_network, *options, *where)
        assert status == 0, err
        content = json.loads(path.read_text())
        speeds = {f"{each['backend']} {each['precision']}": each for each in content["backends"]}
        assert {"torch f32", "openvino f32"} <= set(speeds)
        assert all(each["total"] > 0 and each["cost"] > 0 for each in speeds.values())
        assert speeds["openvino f32"]["agreement"] >= 0.999
        assert "openvino f32" in out, out
