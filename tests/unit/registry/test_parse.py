"""Manifests parsed, and invalid ones reported."""

from pathlib import Path

import pytest

import instageo
from instageo.errors import RegistryError
from instageo.model.registry.parse import parse_manifest
from tests.unit.registry.manifests import SHA, manifest, parse, version, versions

EXAMPLE = Path(instageo.__file__).parent / "model" / "registry" / "examples" / "registry.yaml"
VALID_MODEL = manifest()["models"]["m"]


def test_the_shipped_example_is_valid():
    example = parse_manifest(EXAMPLE.read_bytes(), str(EXAMPLE))[0]
    assert list(example.models) == ["aod", "sen1floods11", "biomass", "locust", "crop_classification"]
    assert all(list(model.sizes) == ["tiny", "student", "normal", "teacher"] for model in example.models.values())
    assert len(example.find_model("crop").classes) == 13
    assert example.find_model("sen1floods").classes[1] == "Water"
    aod = example.find_model("aod").find_size("tiny")
    assert aod.find_version("latest").folder == "gs://YOUR-BUCKET/models/aod/tiny"


def test_a_manifest_without_versions_has_one_version_without_checksums():
    size = parse(manifest()).find_model("m").find_size(None)
    assert [(one.number, one.folder, dict(one.files)) for one in size.versions] == [(None, "gs://b/m/tiny", {})]


def test_class_names_that_look_like_booleans_are_text():
    assert parse(b"models: {m: {classes_mapping: {0: No, 1: y}, sizes: {a: {gcs_folder: x}}}}").find_model(
        "m"
    ).classes == {0: "No", 1: "y"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (b"", "the file is missing or empty; expected a mapping with the key models|the file is missing or empty"),
        (b"models: [\n", "it is not YAML"),
        (b"\xff\xfe models", "byte 0 is not UTF-8"),
        (b"!!python/object/apply:os.system ['true']", "it is not YAML"),
        (b"- models\n", "the file is a list"),
        (b"registry: {}\n", "models is missing or empty"),
        (b"models: {a: {sizes: {t: {gcs_folder: x}}}, a: {}}", "'a' is repeated"),
        ({"models": [1]}, "models is a list"),
        ({"models": {"m": None}}, "m is missing or empty"),
        ({"models": {"../m": {}}}, "has the name '../m'; expected letters, digits"),
        ({"models": {"m": {"model_type": "x"}}}, "m.sizes is missing or empty"),
        ({"models": {"m": {"sizes": {}}}}, "m.sizes is empty; expected at least one size"),
        ({"models": {"m": {"sizes": {"tiny": "gs://b"}}}}, "m.sizes.tiny is a str"),
        (manifest({"gcs_folder": None}), "gcs_folder is None; expected the folder"),
        (manifest({"gcs_folder": "../elsewhere"}), "which is outside"),
        (manifest({"gcs_folder": "/etc"}), "which is outside"),
        (manifest({"num_params": [1]}), r"num_params is \[1\]; expected a number or text"),
        (manifest(temporal_step=0), "temporal_step is 0; expected a number of dates"),
        (manifest(temporal_step="three"), "temporal_step is 'three'"),
        (manifest(classes_mapping=["Water"]), "classes_mapping is a list"),
        (manifest(classes_mapping={"water": 1}), "expected a name per class number"),
        (manifest(classes_mapping={"²": "Water"}), "expected a name per class number"),
        (manifest(model_description={"a": 1}), "model_description is a dict; expected text"),
        (manifest({"versions": {1.2: version()}}), "'1.2' is not a version number"),
        (manifest({"versions": {"01.2.0": version()}}), "'01.2.0' is not a version number"),
        (manifest({"versions": {"1.2.0": version(folder="")}}), "1.2.0.folder is ''"),
        (manifest({"versions": {"1.2.0": version(files={})}}), "files is empty; expected size and sha256"),
        (manifest({"versions": {"1.2.0": version(files={"../x": {"size": 1, "sha256": SHA}})}}), "expected paths"),
        (manifest({"versions": {"1.2.0": version(files={"x": {"size": -1, "sha256": SHA}})}}), "size is -1"),
        (manifest({"versions": {"1.2.0": version(files={"x": {"size": 1, "sha256": "abc"}})}}), "expected 64 hexa"),
        (versions("1.0.0", production="2.0.0"), "production points to 2.0.0, which is not among the versions"),
        (manifest({"versions": {"1.0.0": version()}, "aliases": {"1.0": "1.0.0"}}), "reads as a version number"),
        ({"models": {"a": VALID_MODEL, "b": VALID_MODEL | {"model_short_name": "a"}}}, "a and b are both called 'a'"),
    ],
)  # fmt: skip
def test_invalid_manifests_are_reported_in_one_sentence(values, message):
    with pytest.raises(RegistryError, match=message) as caught:
        parse(values)
    assert str(caught.value).startswith("gs://bucket/a/registry.yaml: is not a manifest of models: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("folder", "expected"), [("m/tiny", "/r/m/tiny"), ("/x", "/x")])
def test_folders_are_relative_to_the_manifest(folder, expected):
    size = parse(manifest({"gcs_folder": folder}), "/r/registry.yaml").find_model("m").find_size("tiny")
    assert size.versions[0].folder == expected
