"""Models pushed to registries in real stores, pulled, used by name, verified."""

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
import torch
import yaml
from stac_model.schema import MLModelProperties
from typer.testing import CliRunner

import instageo
from instageo.cli import app
from instageo.errors import CheckpointError, InstaGeoError, RegistryError
from instageo.model.registry import registry as registries
from instageo.model.registry.local_models import local_checkpoint, pull
from instageo.model.registry.names import parse_name
from instageo.model.registry.registry import open_registry
from instageo.model.registry.verify import verify_local_models, verify_registry
from instageo.model.runs import publish
from instageo.model.runs.publish import PushRequest, push, set_alias
from instageo.stores.base import StoreError
from instageo.stores.open import open_store
from tests.integration.test_stores import files_in, place, place_of, servers  # noqa: F401

WISH = PushRequest("floods/tiny", classes=("Dry", "Water"), new=True)
STORES = pytest.mark.parametrize("place", ["folder", "google", "amazon"], indirect=True)


@pytest.fixture
def url(place):  # noqa: F811
    return f"{place.url}/registry.yaml"


@pytest.fixture
def folder(tmp_path):
    return f"{tmp_path / 'registry'}/registry.yaml"


@pytest.fixture
def named(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MODELS_REGISTRY_PATH", folder)
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    monkeypatch.delenv("INSTAGEO_OFFLINE", raising=False)


def call(*arguments):
    found = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["registry", *arguments])
    if found.exception and not isinstance(found.exception, SystemExit):
        return 1, str(found.exception)
    return found.exit_code, found.stdout


@STORES
def test_pushed_and_pulled(url, trained, tmp_path):
    push(trained[1], url, replace(WISH, aliases=("production",)))
    model, second = push(trained[1], url, replace(WISH, step="patch"))
    assert (model.key, str(second.number)) == ("floods", "1.0.1")
    found = open_registry(url, folder=tmp_path / "models")
    copy = pull(found, parse_name("floods/tiny@production"), tmp_path / "models")
    assert copy.name == "floods/tiny@1.0.0"
    names = [".registry.json", "config.yaml", "instageo_best_checkpoint.ckpt", "item.json", "metrics.json", "run.json"]
    assert [name for name in files_in(copy.folder) if name != ".lock"] == names
    original = (trained[1] / "instageo_best_checkpoint.ckpt").read_bytes()
    assert (copy.folder / "instageo_best_checkpoint.ckpt").read_bytes() == original
    assert verify_local_models(tmp_path / "models")[1] == []
    assert verify_registry(found) == (10, [])


@STORES
def test_of_two_pushes_of_the_same_version_one_wins(url, trained):
    push(trained[1], url, WISH)
    told, barrier = [], threading.Barrier(2)

    def one(licence):
        barrier.wait()
        try:
            push(trained[1], url, replace(WISH, version="2.0.0", licence=licence))
            told.append("won")
        except RegistryError as error:
            told.append(str(error))

    threads = [threading.Thread(target=one, args=(licence,)) for licence in ("MIT", "Apache-2.0")]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    lost, won = sorted(told, key=lambda text: text == "won")
    assert won == "won"
    assert "floods/tiny has a version 2.0.0" in lost
    assert "versions never change; nothing was changed" in lost
    found = open_registry(url)
    assert [str(version.number) for version in found.manifest.model("floods").size("tiny").versions] == [
        "1.0.0",
        "2.0.0",
    ]
    assert verify_registry(found)[1] == []


@STORES
def test_changes_at_once_all_arrive(url, trained):
    push(trained[1], url, WISH)
    threads = [threading.Thread(target=set_alias, args=(url, "floods/tiny", f"a{n}", "1.0.0")) for n in range(5)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert set(open_registry(url).manifest.model("floods").size("tiny").aliases) == {
        "latest",
        *(f"a{n}" for n in range(5)),
    }


def test_what_others_change_all_the_time(folder, trained, monkeypatch):
    push(trained[1], folder, WISH)
    monkeypatch.setattr(registries, "ATTEMPTS", 2)
    store = open_store(str(Path(folder).parent))
    real = type(store).read
    monkeypatch.setattr(type(store), "read", lambda self, path: replace(real(self, path), tag="older"))
    with pytest.raises(RegistryError, match="is changed by others all the time; nothing was changed"):
        set_alias(folder, "floods/tiny", "production", "1.0.0")


def test_the_facts_of_a_version(folder, trained):
    model, version = push(trained[1], folder, WISH)
    told = json.loads((trained[1] / "run.json").read_text())
    facts = version.facts
    assert facts["bands"] == ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
    assert facts["metrics"]["val_mIoU"] == pytest.approx(told["scores"]["mIoU"], abs=1e-6)
    assert facts["data_fingerprint"] == told["tables"]["train_filepath"]["fingerprint"]
    assert facts["num_params"] == told["network"]["parameters"]
    assert facts["gflops"] == pytest.approx(told["network"]["forward_flops"] / 1e9, abs=1e-6)
    assert (facts["licence"], facts["teacher"], model.classes) == ("Apache-2.0", None, {0: "Dry", 1: "Water"})
    plain = yaml.safe_load(Path(folder).read_text())["models"]["floods"]["sizes"]["tiny"]
    assert plain["aliases"] == {"latest": "1.0.0"}
    assert plain["gcs_folder"] == plain["versions"]["1.0.0"]["folder"]  # what older programs read


def test_who_taught_it_is_told(tmp_path):
    from instageo.model.runs.trained_run import _teacher

    (tmp_path / "t.ckpt").write_bytes(b"teacher")
    asked = {"train.distillation": True, "train.teacher_ckpt_path": str(tmp_path / "t.ckpt")}
    sha = "1057a9604e04b274da5a4de0c8f4b4868d9b230989f8c8c6a28221143cc5a755"
    assert _teacher(asked) == {"file": "t.ckpt", "sha256": sha}
    assert _teacher(asked | {"train.teacher_ckpt_path": "registry:floods/big"}) == {"name": "floods/big@latest"}
    assert _teacher({}) is None


def test_an_older_push_does_not_become_latest(folder, trained):
    push(trained[1], folder, replace(WISH, version="2.0.0"))
    push(trained[1], folder, replace(WISH, version="1.5.0"))
    assert str(open_registry(folder).manifest.model("floods").size("tiny").find("latest").number) == "2.0.0"
    set_alias(folder, "floods/tiny", "latest", "1.5")
    plain = yaml.safe_load(Path(folder).read_text())["models"]["floods"]["sizes"]["tiny"]
    assert plain["gcs_folder"] == plain["versions"]["1.5.0"]["folder"]


def changed(run, to, **section):
    shutil.copytree(run, to)
    file = to / "instageo_best_checkpoint.ckpt"
    content = torch.load(file, weights_only=True)
    for key, value in section.items():
        content["instageo"][key] = value if key == "metrics" else content["instageo"][key] | value
    torch.save(content, file)
    return to


def test_runs_that_are_refused(folder, trained, tmp_path):
    for told, run, wish in (
        ("has 2 classes and no names of its classes; give --classes", trained[1], replace(WISH, classes=())),
        ("has 2 classes and 3 names of classes", trained[1], replace(WISH, classes=("A", "B", "C"))),
        ("tells no metrics", changed(trained[1], tmp_path / "a", metrics={}), WISH),
        (
            "does not name its bands",
            changed(trained[1], tmp_path / "b", settings={"dataloader.band_names": None}),
            WISH,
        ),
        ("is no finished run: it has no instageo_best_checkpoint.ckpt", tmp_path, WISH),
        ("names no model and size", trained[1], replace(WISH, name="floods")),
        ("is no version number", trained[1], replace(WISH, version="v2")),
    ):
        with pytest.raises(RegistryError, match=told):
            push(run, folder, wish)
    assert not Path(folder).exists()
    with pytest.raises(RegistryError, match="there is no registry; check the address, or begin one with --new"):
        push(trained[1], folder, replace(WISH, new=False))


def test_another_kind_of_model_is_refused(folder, trained):
    push(trained[1], folder, WISH)
    plain = yaml.safe_load(Path(folder).read_text())
    plain["models"]["floods"]["temporal_step"] = 3
    Path(folder).write_text(yaml.safe_dump(plain))
    with pytest.raises(RegistryError, match=r"has temporal_step 1, but floods in .* has 3; push it under another"):
        push(trained[1], folder, WISH)


def test_nothing_of_a_push_shows_before_all_of_it_is_there(folder, trained, monkeypatch):
    push(trained[1], folder, WISH)
    before = Path(folder).read_bytes()
    monkeypatch.setattr(publish, "upload_files", lambda _: (_ for _ in ()).throw(StoreError("the line is dead")))
    with pytest.raises(StoreError, match="the line is dead"):
        push(trained[1], folder, WISH)
    assert Path(folder).read_bytes() == before


def test_the_item_is_valid_stac(folder, trained):
    exports = trained[1] / "exports"
    exports.mkdir()
    (exports / "net.onnx").write_bytes(b"onnx")
    try:
        _, version = push(trained[1], folder, WISH)
    finally:
        shutil.rmtree(exports)
    plain = json.loads((Path(folder).parent / version.folder / "item.json").read_text())
    item = pystac.Item.from_dict(plain)
    core = item.clone()
    core.stac_extensions = []  # their schemas lie on the network; the one of STAC itself comes with pystac
    core.validate()
    assert "https://stac-extensions.github.io/mlm/v1.4.0/schema.json" in item.stac_extensions
    properties = MLModelProperties.model_validate({k: v for k, v in item.properties.items() if k.startswith("mlm:")})
    assert properties.total_parameters == version.facts["num_params"]
    assert [str(task) for task in properties.tasks] == ["semantic-segmentation"]
    assert properties.input[0].input.shape == [-1, 6, 1, 32, 32] or properties.input[0].input.shape[0] == -1
    assert [scaling.mean for scaling in properties.input[0].value_scaling] == version.facts["mean"]
    roles = {name for name, asset in item.assets.items() if "mlm:model" in asset.roles}
    assert roles == {"instageo_best_checkpoint.ckpt", "exports/net.onnx"}  # formats of one model, assets of one Item
    assert all(len(item.assets[name].extra_fields["bands"]) == 6 for name in roles)


def test_used_by_name_in_modes_and_in_python(named, folder, trained, run, tmp_path):
    data, folder_of_run = trained
    push(folder_of_run, folder, replace(WISH, aliases=("production",)))
    shared = [f"root_dir={data}", "test_filepath=test.csv", "accelerator=cpu"]
    for name, path in (("by_name", "registry:floods/tiny@production"), ("by_path", str(folder_of_run))):
        assert run("mode=chip_inference", *shared, f"checkpoint_path={path}", folder=name)[0] == 0
        assert run("mode=eval", *shared, f"checkpoint_path={path}", folder=f"eval_{name}")[0] == 0
    written = [next((tmp_path / name).rglob("prediction_*.tif")).read_bytes() for name in ("by_name", "by_path")]
    assert written[0] == written[1]
    scores = [json.loads((tmp_path / f"eval_{name}" / "metrics.json").read_text()) for name in ("by_name", "by_path")]
    assert scores[0] == scores[1]
    chip = next((data / "chips").glob("*.tif"))
    by_name, by_path = (instageo.load_model(s, device="cpu").predict(chip) for s in ("registry:floods", folder_of_run))
    np.testing.assert_array_equal(by_name.classes, by_path.classes)
    status, _, err = run("mode=eval", *shared, "checkpoint_path=registry:floods/tiny@7")
    assert (status, "has no version '7'" in err) == (1, True)


def test_offline_uses_what_was_fetched(named, folder, trained, monkeypatch):
    push(trained[1], folder, WISH)
    first = local_checkpoint("registry:floods/tiny@1")
    push(trained[1], folder, WISH)
    shutil.rmtree(Path(folder).parent)
    with pytest.raises(StoreError):
        local_checkpoint("registry:floods/tiny@1.0.0")
    monkeypatch.setenv("INSTAGEO_OFFLINE", "1")
    assert local_checkpoint("registry:floods/tiny@1") == first
    assert local_checkpoint("registry:floods@latest") == first
    with pytest.raises(RegistryError, match="no version '2'"):
        local_checkpoint("registry:floods/tiny@2")
    shutil.rmtree(first.parent)
    with pytest.raises(RegistryError, match="was not fetched before, and stores are not to be asked"):
        local_checkpoint("registry:floods/tiny")
    monkeypatch.setenv("MODELS_REGISTRY_PATH", "gs://never/registry.yaml")
    with pytest.raises(RegistryError, match="was never read on this machine"):
        local_checkpoint("registry:floods/tiny")


def test_what_was_fetched_is_not_read_again(named, folder, trained, monkeypatch):
    push(trained[1], folder, WISH)
    local_checkpoint("registry:floods/tiny")
    shutil.rmtree(Path(folder).parent / "floods")
    assert local_checkpoint("registry:floods/tiny").is_file()  # the manifest tells that it is the same


def test_verify_names_what_is_wrong(named, folder, trained, tmp_path):
    push(trained[1], folder, WISH)
    checkpoint = local_checkpoint("registry:floods/tiny")
    assert call("verify") == (
        0,
        f"1 fetched models in {tmp_path / 'models'}\n5 files in the registry\nall are as they were published\n",
    )
    data = bytearray(checkpoint.read_bytes())
    data[1000] ^= 1
    checkpoint.write_bytes(data)
    (checkpoint.parent / "run.json").unlink()
    (checkpoint.parent / "x.ckpt.part").touch()
    published = next((Path(folder).parent / "floods").rglob("metrics.json"))
    published.write_text("{}")
    status, told = call("verify")
    assert status == 1
    wrong = (
        f"{checkpoint}: is not what was fetched",
        "run.json: is missing",
        "x.ckpt.part: was not fetched to its end",
    )
    for part in (*wrong, "metrics.json has 2 bytes, the registry says", "4 faults"):
        assert part in told
    (checkpoint.parent / "x.ckpt.part").unlink()
    assert "the registry says" in call("pull", "floods/tiny", "--to", str(tmp_path / "new"))[1]


def test_a_pickle_from_a_registry_is_never_run(named, folder, trained, tmp_path):  # pitfall 36
    push(trained[1], folder, WISH)
    plain = yaml.safe_load(Path(folder).read_text())
    size = plain["models"]["floods"]["sizes"]["tiny"]
    for key in ("versions", "aliases"):
        del size[key]  # as published: without checksums
    Path(folder).write_text(yaml.safe_dump(plain))
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return Path.touch, (ran,)

    torch.save(
        {"state_dict": {"net.x": Evil()}}, Path(folder).parent / size["gcs_folder"] / "instageo_best_checkpoint.ckpt"
    )
    with pytest.raises(CheckpointError, match="holds objects that could run code; it was not loaded"):
        instageo.load_model("registry:floods/tiny")
    assert not ran.exists()


def test_commands_print_tables_and_json(named, folder, trained):
    assert call("list")[0] == 1
    assert (
        call("push", str(trained[1]), "floods/tiny", "--new", "--classes", "Dry, Water", "--alias", "production")[0]
        == 0
    )
    assert call("alias", "floods/tiny", "candidate", "1")[0] == 0
    status, listed = call("list")
    assert (status, "floods/tiny" in listed, "mIoU" in listed) == (0, True, True)
    told = json.loads(call("show", "floods", "--json")[1])
    assert told["sizes"]["tiny"]["aliases"] == {"production": "1.0.0", "latest": "1.0.0", "candidate": "1.0.0"}
    shown = call("show", "floods")[1]
    assert all(text in shown for text in ("classes: 0 Dry, 1 Water", "production", "SWIR_2", "Apache-2.0"))
    assert call("pull", "floods/tiny@candidate")[0] == 0
    assert "has no model 'x'" in call("pull", "x/y")[1]


SYNC = Path(instageo.__file__).parent / "model" / "registry" / "model_registry_sync.sh"


def sync(*arguments, **environment):
    own = {"PYTHON": sys.executable, "PYTHONPATH": str(SYNC.parents[3])}
    return subprocess.run([SYNC, *arguments], env=os.environ | own | environment, capture_output=True, text=True)


@pytest.mark.slow
def test_the_sync_script(folder, trained, tmp_path):  # pitfall 35
    push(trained[1], folder, WISH)
    found = sync(folder, str(tmp_path / "to"))
    assert (found.returncode, found.stderr.count("error")) == (0, 0)
    left = tmp_path / "to" / "floods" / "tiny"
    assert (left / "instageo_best_checkpoint.ckpt").read_bytes() == (
        trained[1] / "instageo_best_checkpoint.ckpt"
    ).read_bytes()
    assert (left / ".hydra" / "config.yaml").is_file()
    next((Path(folder).parent / "floods").rglob("*.ckpt")).unlink()
    assert sync(MODELS_REGISTRY_PATH=folder, MODELS_PATH=str(tmp_path / "to")).returncode == 0  # all is there already
    broken = sync(folder, str(tmp_path / "other"))
    assert broken.returncode == 1
    assert "instageo_best_checkpoint.ckpt: no such file" in broken.stderr
    assert not list((tmp_path / "other").rglob("*.ckpt"))
    assert sync().returncode == 2


def test_a_published_registry_behind_a_web_server(servers, trained, tmp_path, monkeypatch):  # noqa: F811
    found = place_of("web", servers, tmp_path, monkeypatch)
    for name in ("instageo_best_checkpoint.ckpt", ".hydra/config.yaml"):
        found.put(f"models/floods/{name}", (trained[1] / name).read_bytes())
    found.put("registry.yaml", b"models: {floods: {sizes: {tiny: {num_params: 1M, gcs_folder: models/floods}}}}")
    monkeypatch.setenv("MODELS_REGISTRY_PATH", f"{found.url}/registry.yaml")
    monkeypatch.setenv("MODELS_PATH", str(tmp_path / "models"))
    chip = next((trained[0] / "chips").glob("*.tif"))
    first = instageo.load_model("registry:floods", device="cpu").predict(chip)
    requests = len(found.faults.requests)
    again = instageo.load_model("registry:floods", device="cpu").predict(chip)
    np.testing.assert_array_equal(first.classes, again.classes)
    methods = [method for method, path in found.faults.requests[requests:] if path.endswith(".ckpt")]
    assert methods == ["HEAD"]  # looked at, not fetched again: its tag is the same
    with pytest.raises(InstaGeoError, match="nothing can be written over http"):
        push(trained[1], f"{found.url}/registry.yaml", replace(WISH, name="other/tiny"))
