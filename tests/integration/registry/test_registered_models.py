"""Models of a registry used by name, pulled, verified, listed."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
import yaml
from typer.testing import CliRunner

import instageo
from instageo.cli import app
from instageo.errors import CheckpointError, InstaGeoError, RegistryError
from instageo.model.publishing.publish import push
from instageo.model.registry.local_models import fetch_checkpoint
from instageo.raster.reading import read_raster
from instageo.stores.base import StoreError
from tests.integration.registry.conftest import REQUEST, read_values
from tests.integration.stores.conftest import open_emulated


def registry_command(*arguments):
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["registry", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        return 1, str(result.exception)
    return result.exit_code, result.stdout


def test_models_are_used_by_name_in_modes_and_in_python(environment, local_url, trained, run, tmp_path):
    data, run_folder = trained
    push(run_folder, local_url, replace(REQUEST, aliases=("production",)))
    shared = [f"root_dir={data}", "test_filepath=test.csv", "accelerator=cpu"]
    for name, path in (("by_name", "registry:floods/tiny@production"), ("by_path", str(run_folder))):
        assert run("mode=chip_inference", *shared, f"checkpoint_path={path}", folder=name)[0] == 0
        assert run("mode=eval", *shared, f"checkpoint_path={path}", folder=f"eval_{name}")[0] == 0
    written = [next((tmp_path / name).rglob("prediction_*.tif")) for name in ("by_name", "by_path")]
    np.testing.assert_array_equal(*(read_raster(path).values for path in written))
    scores = [json.loads((tmp_path / f"eval_{name}" / "metrics.json").read_text()) for name in ("by_name", "by_path")]
    assert scores[0]["mIoU"] == scores[1]["mIoU"]
    chip = next((data / "chips").glob("*.tif"))
    by_name, by_path = (instageo.load_model(s, device="cpu").predict(chip) for s in ("registry:floods", run_folder))
    np.testing.assert_array_equal(by_name.classes, by_path.classes)
    assert (by_name.class_names, by_path.class_names) == (("Dry", "Water"), ("0", "1"))
    with rasterio.open(written[0]) as source:
        assert source.tags(1)["CLASS_1"] == "Water"
    status, _, err = run("mode=eval", *shared, "checkpoint_path=registry:floods/tiny@7")
    assert (status, "has no version '7'" in err) == (1, True)


def test_offline_mode_uses_local_models(environment, local_url, trained, monkeypatch):
    push(trained[1], local_url, REQUEST)
    first = fetch_checkpoint("registry:floods/tiny@1")
    push(trained[1], local_url, REQUEST)
    shutil.rmtree(Path(local_url).parent)
    with pytest.raises(StoreError):
        fetch_checkpoint("registry:floods/tiny@1.0.0")
    monkeypatch.setenv("INSTAGEO_OFFLINE", "1")
    assert fetch_checkpoint("registry:floods/tiny@1") == first
    assert fetch_checkpoint("registry:floods@latest") == first
    with pytest.raises(RegistryError, match="no version '2'"):
        fetch_checkpoint("registry:floods/tiny@2")
    shutil.rmtree(first.parent)
    with pytest.raises(RegistryError, match="is not on this machine, and offline mode"):
        fetch_checkpoint("registry:floods/tiny")
    monkeypatch.setenv("MODELS_REGISTRY_PATH", "gs://never/registry.yaml")
    with pytest.raises(RegistryError, match="has never been read on this machine"):
        fetch_checkpoint("registry:floods/tiny")


def test_local_models_are_not_downloaded_again(environment, local_url, trained, monkeypatch):
    push(trained[1], local_url, REQUEST)
    fetch_checkpoint("registry:floods/tiny")
    shutil.rmtree(Path(local_url).parent / "floods")
    assert fetch_checkpoint("registry:floods/tiny").is_file()  # the checksums in the manifest are the same


def test_verify_lists_the_problems(environment, local_url, trained, tmp_path):
    push(trained[1], local_url, REQUEST)
    checkpoint = fetch_checkpoint("registry:floods/tiny")
    assert registry_command("verify") == (
        0,
        f"1 local model in {tmp_path / 'models'}\n5 files in the registry\nall files are as published\n",
    )
    data = bytearray(checkpoint.read_bytes())
    data[1000] ^= 1
    checkpoint.write_bytes(data)
    (checkpoint.parent / "run.json").unlink()
    (checkpoint.parent / "x.ckpt.part").touch()
    published = next((Path(local_url).parent / "floods").rglob("metrics.json"))
    published.write_text("{}")
    status, output = registry_command("verify")
    assert status == 1
    problems = (
        f"{checkpoint}: differs from the file in",
        "run.json: is missing",
        "x.ckpt.part: is only partly downloaded",
    )
    for part in (*problems, "metrics.json has 2 bytes, but the registry says", "4 problems"):
        assert part in output
    (checkpoint.parent / "x.ckpt.part").unlink()
    assert "the registry says" in registry_command("pull", "floods/tiny", "--to", str(tmp_path / "new"))[1]


def test_pickled_code_from_a_registry_is_never_run(environment, local_url, trained, tmp_path):  # pitfall 36
    push(trained[1], local_url, REQUEST)
    values = read_values(local_url)
    size = values["models"]["floods"]["sizes"]["tiny"]
    for key in ("versions", "aliases"):
        del size[key]  # as published: without checksums
    Path(local_url).write_text(yaml.safe_dump(values))
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return Path.touch, (ran,)

    torch.save(
        {"state_dict": {"net.x": Evil()}}, Path(local_url).parent / size["gcs_folder"] / "instageo_best_checkpoint.ckpt"
    )
    with pytest.raises(CheckpointError, match="holds objects that could run code; it was not loaded"):
        instageo.load_model("registry:floods/tiny")
    assert not ran.exists()


def test_commands_print_tables_and_json(environment, local_url, trained):
    assert registry_command("list")[0] == 1
    assert (
        registry_command(
            "push",
            str(trained[1]),
            "floods/tiny",
            "--new",
            "--classes",
            "Dry, Water",
            "--alias",
            "production",
            "--licence",
            "Apache-2.0",
        )[0]
        == 0
    )
    assert registry_command("alias", "floods/tiny", "candidate", "1")[0] == 0
    status, listed = registry_command("list")
    assert (status, "floods/tiny" in listed, "mIoU" in listed) == (0, True, True)
    model = json.loads(registry_command("show", "floods", "--json")[1])
    assert model["sizes"]["tiny"]["aliases"] == {"production": "1.0.0", "latest": "1.0.0", "candidate": "1.0.0"}
    shown = registry_command("show", "floods")[1]
    assert all(text in shown for text in ("classes: 0 Dry, 1 Water", "production", "SWIR_2", "Apache-2.0"))
    assert registry_command("pull", "floods/tiny@candidate")[0] == 0
    assert "has no model 'x'" in registry_command("pull", "x/y")[1]


SYNC = Path(instageo.__file__).parent / "model" / "registry" / "model_registry_sync.sh"


def sync(*arguments, **variables):
    python = {"PYTHON": sys.executable, "PYTHONPATH": str(SYNC.parents[3])}
    return subprocess.run([SYNC, *arguments], env=os.environ | python | variables, capture_output=True, text=True)


def test_the_sync_script_downloads_all_models(local_url, trained, tmp_path):  # pitfall 35
    push(trained[1], local_url, REQUEST)
    result = sync(local_url, str(tmp_path / "to"))
    assert (result.returncode, result.stderr.count("error")) == (0, 0)
    model = tmp_path / "to" / "floods" / "tiny"
    assert (model / "instageo_best_checkpoint.ckpt").read_bytes() == (
        trained[1] / "instageo_best_checkpoint.ckpt"
    ).read_bytes()
    assert (model / ".hydra" / "config.yaml").is_file()
    next((Path(local_url).parent / "floods").rglob("*.ckpt")).unlink()
    assert sync(MODELS_REGISTRY_PATH=local_url, MODELS_PATH=str(tmp_path / "to")).returncode == 0  # all files exist
    broken = sync(local_url, str(tmp_path / "other"))
    assert broken.returncode == 1
    assert "instageo_best_checkpoint.ckpt: no such file" in broken.stderr
    assert not list((tmp_path / "other").rglob("*.ckpt"))
    assert sync().returncode == 2


def test_a_registry_without_versions_on_a_web_server(servers, trained, tmp_path, monkeypatch):
    web = open_emulated("web", servers, tmp_path, monkeypatch)
    for name in ("instageo_best_checkpoint.ckpt", ".hydra/config.yaml"):
        web.put(f"models/floods/{name}", (trained[1] / name).read_bytes())
    web.put("registry.yaml", b"models: {floods: {sizes: {tiny: {num_params: 1M, gcs_folder: models/floods}}}}")
    monkeypatch.setenv("MODELS_REGISTRY_PATH", f"{web.url}/registry.yaml")
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    chip = next((trained[0] / "chips").glob("*.tif"))
    first = instageo.load_model("registry:floods", device="cpu").predict(chip)
    requests = len(web.faults.requests)
    again = instageo.load_model("registry:floods", device="cpu").predict(chip)
    np.testing.assert_array_equal(first.classes, again.classes)
    methods = [method for method, path in web.faults.requests[requests:] if path.endswith(".ckpt")]
    assert methods == ["HEAD"]  # not downloaded again, since its ETag is the same
    with pytest.raises(InstaGeoError, match="http is read-only; write to the store itself"):
        push(trained[1], f"{web.url}/registry.yaml", replace(REQUEST, name="other/tiny"))
