"""Manifests of a model registry: what they say, and what they may not."""

from pathlib import Path

import pytest
import yaml

import instageo
from instageo.errors import RegistryError
from instageo.model.registry.names import ModelName, parse_name
from instageo.model.registry.parse import parse_manifest
from instageo.model.registry.paths import models_folder, offline, registry_url
from instageo.model.registry.versions import SemVer, parse_version

EXAMPLE = Path(instageo.__file__).parent / "model" / "registry" / "examples" / "registry.yaml"
SHA = "a" * 64


def version(**changes):
    return {"folder": "m/tiny/x", "files": {"net.ckpt": {"size": 3, "sha256": SHA}}, "licence": "MIT"} | changes


def manifest(size=None, **model):
    size = {"num_params": "3.7M", "gcs_folder": "gs://b/m/tiny"} | (size or {})
    return {"models": {"m": {"model_type": "segmentation", "sizes": {"tiny": size}} | model}}


PLAIN = manifest()["models"]["m"]


def read(plain, url="gs://bucket/a/registry.yaml"):
    data = plain if isinstance(plain, bytes) else yaml.safe_dump(plain).encode()
    return parse_manifest(data, url)[0]


def versions(*numbers, **aliases):
    return manifest({"versions": {text: version() for text in numbers}, "aliases": aliases})


def test_the_shipped_example():
    found = parse_manifest(EXAMPLE.read_bytes(), str(EXAMPLE))[0]
    assert list(found.models) == ["aod", "sen1floods11", "biomass", "locust", "crop_classification"]
    assert all(list(model.sizes) == ["tiny", "student", "normal", "teacher"] for model in found.models.values())
    assert len(found.model("crop").classes) == 13
    assert found.model("sen1floods").classes[1] == "Water"
    assert found.model("aod").size("tiny").find("latest").folder == "gs://YOUR-BUCKET/models/aod/tiny"


def test_a_published_manifest_has_one_version_that_nothing_vouches_for():
    size = read(manifest()).model("m").size(None)
    assert [(found.number, found.folder, dict(found.files)) for found in size.versions] == [(None, "gs://b/m/tiny", {})]


def test_versions_by_number_beginning_and_alias():
    size = read(versions("1.2.0", "1.10.0", "0.9.9", "2.0.1", production="1.2.0")).model("m").size("tiny")
    asked = ("latest", "1", "1.2", "1.10.0", "production", "0")
    assert [str(size.find(text).number) for text in asked] == ["2.0.1", "1.10.0", "1.2.0", "1.10.0", "1.2.0", "0.9.9"]
    assert size.find("1").folder == "gs://bucket/a/m/tiny/x"
    assert size.find("1").facts == {"licence": "MIT"}
    with pytest.raises(
        RegistryError, match=r"no version '1.1'; it has 0.9.9, 1.2.0, 1.10.0, 2.0.1, latest, production"
    ):
        size.find("1.1")
    with pytest.raises(RegistryError, match="did you mean production"):
        size.find("prodution")


def test_latest_may_be_pointed_back():
    size = read(versions("1.0.0", "2.0.0", latest="1.0.0")).model("m").size("tiny")
    assert str(size.find("latest").number) == "1.0.0"


@pytest.mark.parametrize(
    ("plain", "told"),
    [
        (b"", "the file is missing or empty; expected a mapping with the key models|the file is missing or empty"),
        (b"models: [\n", "it is no YAML"),
        (b"\xff\xfe models", "byte 0 is no UTF-8"),
        (b"!!python/object/apply:os.system ['true']", "it is no YAML"),
        (b"- models\n", "the file is a list"),
        (b"registry: {}\n", "models is missing or empty"),
        (b"models: {a: {sizes: {t: {gcs_folder: x}}}, a: {}}", "'a' stands twice"),
        ({"models": [1]}, "models is a list"),
        ({"models": {"m": None}}, "m is missing or empty"),
        ({"models": {"../m": {}}}, "has the name '../m'; expected letters, digits"),
        ({"models": {"m": {"model_type": "x"}}}, "m.sizes is missing or empty"),
        ({"models": {"m": {"sizes": {}}}}, "m.sizes is empty; expected at least one size"),
        ({"models": {"m": {"sizes": {"tiny": "gs://b"}}}}, "m.sizes.tiny is a str"),
        (manifest({"gcs_folder": None}), "gcs_folder is None; expected the folder"),
        (manifest({"gcs_folder": "../elsewhere"}), "which lies outside"),
        (manifest({"gcs_folder": "/etc"}), "which lies outside"),
        (manifest({"num_params": [1]}), r"num_params is \[1\]; expected a number or text"),
        (manifest(temporal_step=0), "temporal_step is 0; expected a number of dates"),
        (manifest(temporal_step="three"), "temporal_step is 'three'"),
        (manifest(classes_mapping=["Water"]), "classes_mapping is a list"),
        (manifest(classes_mapping={"water": 1}), "expected a name per class number"),
        (manifest(model_description={"a": 1}), "model_description is a dict; expected text"),
        (manifest({"versions": {1.2: version()}}), "'1.2' is no version number"),
        (manifest({"versions": {"01.2.0": version()}}), "'01.2.0' is no version number"),
        (manifest({"versions": {"1.2.0": version(folder="")}}), "1.2.0.folder is ''"),
        (manifest({"versions": {"1.2.0": version(files={})}}), "files is empty; expected size and sha256"),
        (manifest({"versions": {"1.2.0": version(files={"../x": {"size": 1, "sha256": SHA}})}}), "lies outside"),
        (manifest({"versions": {"1.2.0": version(files={"x": {"size": -1, "sha256": SHA}})}}), "size is -1"),
        (manifest({"versions": {"1.2.0": version(files={"x": {"size": 1, "sha256": "abc"}})}}), "expected 64 hexa"),
        (versions("1.0.0", production="2.0.0"), "production points to 2.0.0, which is not among the versions"),
        (manifest({"versions": {"1.0.0": version()}, "aliases": {"1.0": "1.0.0"}}), "reads as a version number"),
        ({"models": {"a": PLAIN, "b": PLAIN | {"model_short_name": "a"}}}, "a and b are both called 'a'"),
    ],
)  # fmt: skip
def test_malformed_manifests_are_told_in_one_sentence(plain, told):
    with pytest.raises(RegistryError, match=told) as caught:
        read(plain)
    assert str(caught.value).startswith("gs://bucket/a/registry.yaml: is no manifest of models: ")
    assert "\n" not in str(caught.value)


def test_a_folder_beside_the_manifest():
    assert (
        read(manifest({"gcs_folder": "m/tiny"}), "/r/registry.yaml").model("m").size("tiny").versions[0].folder
        == "/r/m/tiny"
    )
    assert read(manifest({"gcs_folder": "/x"}), "/r/registry.yaml").model("m").size("tiny").versions[0].folder == "/x"


def test_what_is_not_there_lists_what_is():
    found = read(manifest())
    with pytest.raises(RegistryError, match="has no model 'n'; it has m"):
        found.model("n")
    with pytest.raises(RegistryError, match="m has no size 'tinny'; it has tiny; did you mean tiny"):
        found.model("m").size("tinny")
    two = read({"models": {"m": {"sizes": {"a": {"gcs_folder": "x"}, "b": {"gcs_folder": "y"}}}}})
    with pytest.raises(RegistryError, match="several sizes; name one: m/a, m/b"):
        two.model("m").size(None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("registry:sen1floods/tiny@1.2", ModelName("sen1floods", "tiny", "1.2")),
        ("sen1floods/tiny", ModelName("sen1floods", "tiny", "latest")),
        ("aod@production", ModelName("aod", None, "production")),
    ],
)
def test_names(text, expected):
    assert parse_name(text) == expected


@pytest.mark.parametrize("text", ["", "a/b/c", "a/b@", "a b", "registry:", "../x"])
def test_what_is_no_name(text):
    with pytest.raises(RegistryError, match="names no model; expected model/size@version"):
        parse_name(text)


def test_numbers_count_up_and_compare():
    assert [str(parse_version("1.2.3").next(step)) for step in ("major", "minor", "patch")] == [
        "2.0.0",
        "1.3.0",
        "1.2.4",
    ]
    assert parse_version("1.10.0") > parse_version("1.9.9") > SemVer(1, 9, 8)
    with pytest.raises(RegistryError, match=r"expected MAJOR\.MINOR\.PATCH"):
        parse_version("v1")


def test_the_environment(monkeypatch, tmp_path):
    for name in ("MODELS_REGISTRY_PATH", "MODELS_PATH", "INSTAGEO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RegistryError, match="set MODELS_REGISTRY_PATH"):
        registry_url()
    monkeypatch.setenv("INSTAGEO_CACHE", str(tmp_path))
    assert models_folder() == tmp_path / "models"
    monkeypatch.setenv("MODELS_PATH", "/m")
    monkeypatch.setenv("MODELS_REGISTRY_PATH", "gs://b/r.yaml")
    monkeypatch.setenv("INSTAGEO_OFFLINE", "1")
    assert (registry_url(), str(models_folder()), offline()) == ("gs://b/r.yaml", "/m", True)
    assert (registry_url("x"), str(models_folder("y"))) == ("x", "y")
