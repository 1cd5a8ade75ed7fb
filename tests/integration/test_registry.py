"""Models pushed to registries in emulated stores, pulled, used by name, verified."""

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
import torch
import yaml
from stac_model.schema import MLModelProperties
from typer.testing import CliRunner

import instageo
from instageo.cli import app
from instageo.errors import CheckpointError, InstaGeoError, RegistryError
from instageo.model.registry import registry as registries
from instageo.model.registry.local_models import fetch_checkpoint, pull
from instageo.model.registry.names import parse_name
from instageo.model.registry.registry import open_registry
from instageo.model.registry.verify import verify_local_models, verify_registry
from instageo.model.runs import publish
from instageo.model.runs.publish import PushRequest, push, set_alias
from instageo.raster.reading import read_raster
from instageo.stores.base import StoreError
from instageo.stores.open import open_store
from tests.integration.test_stores import files_in, open_emulated, servers, target  # noqa: F401

REQUEST = PushRequest("floods/tiny", classes=("Dry", "Water"), licence="Apache-2.0", new=True)
STORES = pytest.mark.parametrize("target", ["folder", "google", "amazon"], indirect=True)


@pytest.fixture
def url(target):  # noqa: F811
    return f"{target.url}/registry.yaml"


@pytest.fixture
def local_url(tmp_path):
    return f"{tmp_path / 'registry'}/registry.yaml"


@pytest.fixture
def environment(local_url, tmp_path, monkeypatch):
    monkeypatch.setenv("MODELS_REGISTRY_PATH", local_url)
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    monkeypatch.delenv("INSTAGEO_OFFLINE", raising=False)


def registry_command(*arguments):
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["registry", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        return 1, str(result.exception)
    return result.exit_code, result.stdout


def tiny_floods(registry):
    return registry.manifest.find_model("floods").find_size("tiny")


def read_values(url):
    return yaml.safe_load(Path(url).read_text())


@STORES
def test_a_pushed_model_can_be_pulled(url, trained, tmp_path):
    push(trained[1], url, replace(REQUEST, aliases=("production",)))
    model, second = push(trained[1], url, replace(REQUEST, step="patch"))
    assert (model.key, str(second.number)) == ("floods", "1.0.1")
    registry = open_registry(url, folder=tmp_path / "models")
    copy = pull(registry, parse_name("floods/tiny@production"), tmp_path / "models")
    assert copy.name == "floods/tiny@1.0.0"
    names = [".registry.json", "config.yaml", "instageo_best_checkpoint.ckpt", "item.json", "metrics.json", "run.json"]
    assert [name for name in files_in(copy.folder) if name != ".lock"] == names
    original = (trained[1] / "instageo_best_checkpoint.ckpt").read_bytes()
    assert (copy.folder / "instageo_best_checkpoint.ckpt").read_bytes() == original
    assert verify_local_models(tmp_path / "models")[1] == []
    assert verify_registry(registry) == (10, [])


@STORES
def test_only_one_of_two_pushes_publishes_a_version(url, trained):
    push(trained[1], url, REQUEST)
    outcomes, barrier = [], threading.Barrier(2)

    def run(licence):
        barrier.wait()
        try:
            push(trained[1], url, replace(REQUEST, version="2.0.0", licence=licence))
            outcomes.append("published")
        except RegistryError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=run, args=(licence,)) for licence in ("MIT", "Apache-2.0")]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    refused, published = sorted(outcomes, key=lambda text: text == "published")
    assert published == "published"
    assert "floods/tiny has a version 2.0.0" in refused
    assert "versions never change; nothing was changed" in refused
    registry = open_registry(url)
    assert [str(version.number) for version in tiny_floods(registry).versions] == ["1.0.0", "2.0.0"]
    assert verify_registry(registry)[1] == []


@STORES
def test_simultaneous_changes_are_all_kept(url, trained):
    push(trained[1], url, REQUEST)
    threads = [threading.Thread(target=set_alias, args=(url, "floods/tiny", f"a{n}", "1.0.0")) for n in range(5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert set(tiny_floods(open_registry(url)).aliases) == {"latest", *(f"a{n}" for n in range(5))}


def test_a_manifest_that_others_keep_changing_stays_as_it_is(local_url, trained, monkeypatch):
    push(trained[1], local_url, REQUEST)
    monkeypatch.setattr(registries, "MAX_ATTEMPTS", 2)
    store = open_store(str(Path(local_url).parent))
    real = type(store).read
    monkeypatch.setattr(type(store), "read", lambda self, path: replace(real(self, path), etag="older"))
    with pytest.raises(RegistryError, match="others keep changing it, so nothing was changed; try again later"):
        set_alias(local_url, "floods/tiny", "production", "1.0.0")


def test_the_metadata_of_a_version(local_url, trained):
    model, version = push(trained[1], local_url, REQUEST)
    recorded = json.loads((trained[1] / "run.json").read_text())
    metadata = version.metadata
    assert metadata["bands"] == ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
    assert metadata["metrics"]["val_mIoU"] == pytest.approx(recorded["scores"]["mIoU"], abs=1e-6)
    assert metadata["data_fingerprint"] == recorded["tables"]["train_filepath"]["fingerprint"]
    assert metadata["num_params"] == recorded["network"]["parameters"]
    assert metadata["gflops"] == pytest.approx(recorded["network"]["forward_flops"] / 1e9, abs=1e-6)
    assert (metadata["licence"], metadata["teacher"], model.classes) == ("Apache-2.0", None, {0: "Dry", 1: "Water"})
    entry = read_values(local_url)["models"]["floods"]["sizes"]["tiny"]
    assert entry["aliases"] == {"latest": "1.0.0"}
    assert entry["gcs_folder"] == entry["versions"]["1.0.0"]["folder"]  # for programs without versions


def test_comments_in_a_manifest_survive_changes(local_url, trained):
    push(trained[1], local_url, REQUEST)
    manifest = Path(local_url)
    text = manifest.read_text()
    for line, comment in (
        ("models:", "all our models"),
        ("      tiny:", "fits a laptop"),
        ("        aliases:", "ask Ann"),
    ):
        text = text.replace(f"{line}\n", f"{line}   # {comment}\n")
    text = text.replace("model_name: floods", 'model_name: "floods"')
    manifest.write_text(f"# Our registry\n{text}# The end\n")
    push(trained[1], local_url, REQUEST)
    set_alias(local_url, "floods/tiny", "production", "1.0.0")
    changed = manifest.read_text()
    for line in text.splitlines():
        if "#" in line:
            assert f"{line}\n" in changed
    assert changed.startswith("# Our registry\nmodels:")
    assert changed.endswith("# The end\n")
    assert 'model_name: "floods"' in changed
    assert read_values(local_url)["models"]["floods"]["sizes"]["tiny"]["aliases"] == {
        "latest": "1.1.0", "production": "1.0.0",
    }  # fmt: skip


def test_an_older_push_does_not_become_latest(local_url, trained):
    push(trained[1], local_url, replace(REQUEST, version="2.0.0"))
    push(trained[1], local_url, replace(REQUEST, version="1.5.0"))
    assert str(tiny_floods(open_registry(local_url)).find_version("latest").number) == "2.0.0"
    set_alias(local_url, "floods/tiny", "latest", "1.5")
    entry = read_values(local_url)["models"]["floods"]["sizes"]["tiny"]
    assert entry["gcs_folder"] == entry["versions"]["1.5.0"]["folder"]


def changed_run(run, copy, **section):
    shutil.copytree(run, copy)
    file = copy / "instageo_best_checkpoint.ckpt"
    content = torch.load(file, weights_only=True)
    for key, value in section.items():
        content["instageo"][key] = value if key == "metrics" else content["instageo"][key] | value
    torch.save(content, file)
    return copy


def run_that_ended(run, copy, status):
    shutil.copytree(run, copy)
    content = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(content | {"status": status}))
    return copy


def test_incomplete_runs_are_not_published(local_url, trained, tmp_path):
    for message, run, request in (
        ("has 2 classes and no names of its classes; give --classes", trained[1], replace(REQUEST, classes=())),
        ("has 2 classes and 3 names of classes", trained[1], replace(REQUEST, classes=("A", "B", "C"))),
        ("stores no metrics", changed_run(trained[1], tmp_path / "a", metrics={}), REQUEST),
        (
            "does not name its bands",
            changed_run(trained[1], tmp_path / "b", settings={"dataloader.band_names": None}),
            REQUEST,
        ),
        ("is not a finished run: it has no instageo_best_checkpoint.ckpt", tmp_path, REQUEST),
        ("run.json says failed; complete it with train", run_that_ended(trained[1], tmp_path / "c", "failed"), REQUEST),
        ("run.json says interrupted", run_that_ended(trained[1], tmp_path / "d", "interrupted"), REQUEST),
        (
            "was trained with the classes land, lake, but --classes says Dry, Water; remove --classes",
            changed_run(trained[1], tmp_path / "e", settings={"model.class_names": ["land", "lake"]}),
            REQUEST,
        ),
        ("names no model and size", trained[1], replace(REQUEST, name="floods")),
        ("is not a version number", trained[1], replace(REQUEST, version="v2")),
    ):
        with pytest.raises(RegistryError, match=message):
            push(run, local_url, request)
    assert not Path(local_url).exists()
    with pytest.raises(
        RegistryError, match="does not exist; check the address of the registry, or create one with --new"
    ):
        push(trained[1], local_url, replace(REQUEST, new=False))


def test_no_licence_is_assumed(local_url, trained, caplog):
    _, version = push(trained[1], local_url, replace(REQUEST, licence=None))
    assert "floods: published without a licence" in caplog.text
    assert version.metadata["licence"] is None
    push(trained[1], local_url, replace(REQUEST, licence="MIT"))
    assert push(trained[1], local_url, replace(REQUEST, licence=None))[1].metadata["licence"] == "MIT"


def test_a_run_with_other_dates_is_not_a_version_of_a_model(local_url, trained):
    push(trained[1], local_url, REQUEST)
    values = read_values(local_url)
    values["models"]["floods"]["temporal_step"] = 3
    Path(local_url).write_text(yaml.safe_dump(values))
    with pytest.raises(RegistryError, match=r"has temporal_step 1, but floods in .* has 3; push it under another"):
        push(trained[1], local_url, REQUEST)


def test_a_failed_upload_leaves_the_manifest_unchanged(local_url, trained, monkeypatch):
    push(trained[1], local_url, REQUEST)
    before = Path(local_url).read_bytes()
    monkeypatch.setattr(publish, "upload_files", lambda _: (_ for _ in ()).throw(StoreError("the connection broke")))
    with pytest.raises(StoreError, match="the connection broke"):
        push(trained[1], local_url, REQUEST)
    assert Path(local_url).read_bytes() == before


def test_the_item_is_valid_stac(local_url, trained):
    exports = trained[1] / "exports"
    exports.mkdir()
    (exports / "net.onnx").write_bytes(b"onnx")
    try:
        _, version = push(trained[1], local_url, REQUEST)
    finally:
        shutil.rmtree(exports)
    item = pystac.Item.from_dict(json.loads((Path(local_url).parent / version.folder / "item.json").read_text()))
    core = item.clone()
    core.stac_extensions = []  # their schemas are on the network; the one of STAC itself comes with pystac
    core.validate()
    assert "https://stac-extensions.github.io/mlm/v1.4.0/schema.json" in item.stac_extensions
    properties = MLModelProperties.model_validate({k: v for k, v in item.properties.items() if k.startswith("mlm:")})
    assert properties.total_parameters == version.metadata["num_params"]
    assert [str(task) for task in properties.tasks] == ["semantic-segmentation"]
    assert properties.input[0].input.shape == [-1, 6, 1, 32, 32] or properties.input[0].input.shape[0] == -1
    assert [scaling.mean for scaling in properties.input[0].value_scaling] == version.metadata["mean"]
    roles = {name for name, asset in item.assets.items() if "mlm:model" in asset.roles}
    assert roles == {"instageo_best_checkpoint.ckpt", "exports/net.onnx"}  # formats of one model, assets of one Item
    assert all(len(item.assets[name].extra_fields["bands"]) == 6 for name in roles)


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


def test_a_registry_without_versions_on_a_web_server(servers, trained, tmp_path, monkeypatch):  # noqa: F811
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
