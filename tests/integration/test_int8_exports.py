"""`engine.precision=int8` with an export of the model: found, checked, and computed in every command."""

import json
import shutil

import numpy as np
import pytest
import torch

import instageo as package
from instageo.errors import ConfigError
from instageo.model.backends import choice
from instageo.model.inference.backend_choice import network_source
from tests.integration.conftest import write_chips
from tests.integration.maps import read_layers, scene_values, write_raster
from tests.integration.test_engine import tags_of

for needed in ("openvino", "nncf"):
    pytest.importorskip(needed, reason="the extra `export` is not installed")

CHECKPOINT = "instageo_best_checkpoint.ckpt"
FOR_THE_ENGINE = {"format": "openvino", "precision": "int8", "normalized_input": True, "logits": True}


@pytest.fixture(scope="module")
def exported(small_network, tmp_path_factory):
    """The folder of a run with an int8 export for the engine, the folder of its chips, and a scene."""
    base = tmp_path_factory.mktemp("exported")
    data, run = write_chips(base / "data", count=24), base / "run"
    run.mkdir()
    shutil.copy(small_network / CHECKPOINT, run)
    model = package.load_model(run, device="cpu", backend="torch")
    report = model.export(table=data / "train.csv", calibration=data / "chips", **FOR_THE_ENGINE)
    assert report.path == run / "exports" / "run_int8.xml"
    assert report.record["gate"]["agreement"] >= 0.99
    return run, data, write_raster(base / "scene.tif", scene_values(150, 170))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INSTAGEO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def copied(exported, tmp_path):
    """A copy of the run that a test may change."""
    return shutil.copytree(exported[0], tmp_path / "copied")


@pytest.mark.filterwarnings("ignore")
def test_maps_and_servers_compute_the_export(exported, instageo, tmp_path):
    from instageo.serving.replicas.backend_trials import BackendTrials

    run, _, scene = exported
    for name, options in (("f32", ["--backend", "torch"]), ("int8", ["--precision", "int8"])):
        status, _, err = instageo("map", run, scene, "-o", tmp_path / f"{name}.tif", *options)
        assert status == 0, err
    assert "engine: openvino int8 (agrees with torch f32 on " in err
    stamp = tags_of(tmp_path / "int8.tif")["INSTAGEO_ENGINE"]
    assert stamp.startswith("openvino int8 ")
    expected, found = (read_layers(tmp_path / f"{name}.tif") for name in ("f32", "int8"))
    assert np.mean(expected == found) >= 0.99
    trials = BackendTrials("auto", "int8")
    assert trials.load(str(run)).engine == stamp
    trials.close()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["eval", "chip_inference"])
def test_scores_and_predictions_compute_the_export(exported, copied, run, tmp_path, mode):
    _, data, _ = exported
    shutil.move(copied / "exports", tmp_path / "elsewhere")
    status, _, err = run(
        f"mode={mode}", f"checkpoint_path={copied / CHECKPOINT}", f"root_dir={data}", "test_filepath=test.csv",
        "engine.precision=int8", f"engine.export={tmp_path / 'elsewhere'}", "accelerator=cpu", "logger=none",
        folder=mode,
    )  # fmt: skip
    assert status == 0, err
    assert json.loads((tmp_path / mode / "run.json").read_text())["network"]["engine"].startswith("openvino int8 ")


@pytest.mark.filterwarnings("ignore")
def test_auto_takes_the_export_if_it_is_fastest(exported, monkeypatch):
    """Speeds on a busy machine decide nothing here: int8 counts as the fastest, with 99.2 % of agreement."""
    original = choice.try_backends

    def measured(*arguments, **options):
        figures = original(*arguments, **options, seconds=0.0)
        speeds = [2.0 if each.choice.precision == "int8" else 1.0 for each in figures]
        return [type(each)(each.choice, speed, 0.992) for each, speed in zip(figures, speeds, strict=True)]

    monkeypatch.setattr(choice, "try_backends", measured)
    for least, expected in ((0.99, "openvino int8"), (0.993, "torch f32")):
        monkeypatch.setattr(choice, "INT8_AGREEMENT", least)
        model = package.load_model(exported[0], device="cpu", backend="openvino")
        assert model.engine.startswith(expected)
        choice.TrialMemory(network_source(model, None), choice.BackendChoice("openvino", "auto")).forget()


@pytest.mark.filterwarnings("ignore")
def test_an_export_of_another_model_is_refused(copied, caplog):
    content = torch.load(copied / CHECKPOINT, weights_only=True)
    name = next(name for name in content["state_dict"] if name.endswith("bias"))
    content["state_dict"][name] += 1
    torch.save(content, copied / CHECKPOINT)
    with pytest.raises(ConfigError, match=r"exports.export.json: its exports were made of another checkpoint than "):
        package.load_model(copied, device="cpu", precision="int8")
    assert package.load_model(copied, device="cpu", backend="openvino").engine.startswith("openvino f32")
    assert "engine: int8 is not tried: " in caplog.text


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_export_is_not_computed(copied, caplog):
    (copied / "exports" / "run_int8.bin").write_bytes(b"damaged")
    model = package.load_model(copied, device="cpu", precision="int8")
    assert model.engine == "torch f32"
    assert "run_int8.bin: is missing, or was changed since it was exported; export it again" in caplog.text


def test_without_an_export_the_command_for_one_is_told(small_network, exported, tmp_path, caplog, run):
    assert package.load_model(small_network, device="cpu", precision="int8").engine == "torch f32"
    command = "instageo export MODEL --format openvino --precision int8 --normalized-input --logits"
    assert command in caplog.text
    status, _, err = run(
        "mode=eval", f"checkpoint_path={small_network / CHECKPOINT}", f"root_dir={exported[1]}",
        "test_filepath=test.csv", f"engine.export={tmp_path}", "accelerator=cpu", "logger=none",
    )  # fmt: skip
    assert status == 1
    assert "has no export.json that lists exports; expected a folder of exports" in err
