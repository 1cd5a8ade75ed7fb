"""Models pushed to registries in emulated stores, and pulled again."""

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pystac
import pytest
import torch
import yaml
from stac_model.schema import MLModelProperties

from instageo.errors import RegistryError
from instageo.model.publishing import publish
from instageo.model.publishing.publish import push, set_alias
from instageo.model.registry import registry as registries
from instageo.model.registry.local_models import pull
from instageo.model.registry.names import parse_name
from instageo.model.registry.registry import open_registry
from instageo.model.registry.verify import verify_local_models, verify_registry
from instageo.stores.base import StoreError
from instageo.stores.open import open_store
from tests.integration.registry.conftest import REQUEST, read_values
from tests.integration.stores.conftest import files_in

STORES = pytest.mark.parametrize("target", ["folder", "google", "amazon"], indirect=True)


@pytest.fixture
def url(target):
    return f"{target.url}/registry.yaml"


def tiny_floods(registry):
    return registry.manifest.find_model("floods").find_size("tiny")


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
