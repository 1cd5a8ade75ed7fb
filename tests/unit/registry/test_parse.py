"""Manifests parsed, and invalid ones reported."""

from pathlib import Path

import pytest
import yaml

import instageo
from instageo.errors import RegistryError
from instageo.model.registry.manifest import FileChecksum, ModelVersion, RegisteredModel
from instageo.model.registry.parse import parse_manifest
from instageo.model.registry.version_numbers import parse_version
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


def test_everything_that_a_manifest_says_is_read():
    values = manifest(
        {"num_params": 3.7, "versions": {"1.2.0": version()}, "aliases": {"best-one": "1.2.0"}},
        model_short_name="short",
        model_name="Title",
        model_description="Text",
        data_source="HLS",
        temporal_step=3,
        classes_mapping={0: "Land", "1": 2.5},
    )
    manifest_read, plain = parse_manifest(yaml.safe_dump(values).encode(), "gs://bucket/a/registry.yaml")
    assert plain == values
    assert manifest_read.url == "gs://bucket/a/registry.yaml"
    model = manifest_read.find_model("short")
    size = model.find_size("tiny")
    number = parse_version("1.2.0")
    assert model == RegisteredModel(
        "m", "short", "segmentation", "Title", "Text", {0: "Land", 1: "2.5"}, "HLS", 3, {"tiny": size}
    )
    assert (size.name, size.num_params, size.aliases) == ("tiny", "3.7", {"best-one": number})
    assert size.versions == (
        ModelVersion(number, "gs://bucket/a/m/tiny/x", {"net.ckpt": FileChecksum(3, SHA)}, {"licence": "MIT"}),
    )


def test_what_a_manifest_leaves_out_has_defaults():
    model = parse({"models": {"m": {"model_name": None, "sizes": {"tiny": {"gcs_folder": "x"}}}}}).find_model("m")
    size = model.find_size("tiny")
    assert model == RegisteredModel("m", "m", "", "m", "", {}, "", 1, {"tiny": size})
    assert (size.name, size.num_params, dict(size.aliases)) == ("tiny", "", {})


def test_folders_of_a_manifest_in_the_working_directory_are_relative_to_it():
    size = parse(manifest({"gcs_folder": "m/tiny"}), "registry.yaml").find_model("m").find_size("tiny")
    assert size.versions[0].folder == "./m/tiny"


SIZE = "m.sizes.tiny"
FILE = f"{SIZE}.versions.1.0.0"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (b"- models", "the file is a list; expected a mapping: a mapping with the key models"),
        ({"models": 1}, "models is a int; expected a mapping: one entry per model"),
        ({"models": {"m": 1}}, "m is a int; expected a mapping: model_type, model_name, sizes, …"),
        ({"models": {"m": {"sizes": 1}}}, "m.sizes is a int; expected a mapping: one entry per size"),
        ({"models": {"m": {"sizes": {"a b": {}}}}}, "m.sizes has the name 'a b'"),
        ({"models": {1: {}}}, "models has the name 1"),
        ({"models": {"m": {"sizes": {"tiny": 1}}}}, f"{SIZE} is a int; expected a mapping: num_params and gcs_folder"),
        (manifest({"num_params": True}), f"{SIZE}.num_params is True"),
        (manifest({"gcs_folder": ""}), f"{SIZE}.gcs_folder is ''"),
        (manifest({"gcs_folder": 5}), f"{SIZE}.gcs_folder is 5"),
        (manifest({"versions": 1}), f"{SIZE}.versions is a int; expected a mapping: one entry per version"),
        (manifest({"aliases": 1}), f"{SIZE}.aliases is a int; expected a mapping: a version number per name"),
        (manifest({"aliases": {"a b": "1.0.0"}}), f"{SIZE}.aliases has the name 'a b'"),
        (manifest({"aliases": {"a": "1.0.0"}}), f"{SIZE}.aliases.a points to 1.0.0"),
        (manifest({"versions": {"1.0.0": 1}}), f"{FILE} is a int; expected a mapping: folder and files"),
        (manifest({"versions": {"1.0.0": {}}}), f"{FILE}.folder is None"),
        (manifest({"versions": {"1.0.0": version(folder=5)}}), f"{FILE}.folder is 5"),
        (
            manifest({"versions": {"1.0.0": {"folder": "x"}}}),
            f"{FILE}.files is missing or empty; expected a mapping: size and sha256 of each file",
        ),
        (manifest({"versions": {"1.0.0": version(files={5: {}})}}), f"{FILE}.files has 5"),
        (manifest({"versions": {"1.0.0": version(files={"gs://x": {}})}}), f"{FILE}.files has 'gs://x'"),
        (
            manifest({"versions": {"1.0.0": version(files={"x": 1})}}),
            f"{FILE}.files.x is a int; expected a mapping: size and sha256",
        ),
        (
            manifest({"versions": {"1.0.0": version(files={"x": {"size": True, "sha256": SHA}})}}),
            f"{FILE}.files.x.size is True",
        ),
        (
            manifest({"versions": {"1.0.0": version(files={"x": {"size": 1, "sha256": SHA.upper()}})}}),
            f"{FILE}.files.x.sha256 is ",
        ),
        (manifest({"versions": {"1.0.0": version(files={"x": {"size": 1}})}}), f"{FILE}.files.x.sha256 is None"),
        (manifest(temporal_step=True), "m.temporal_step is True"),
        (manifest(classes_mapping=1), "m.classes_mapping is a int; expected a mapping: a name per class"),
        (manifest(classes_mapping={1: None}), "m.classes_mapping has 1: None"),
        (manifest(model_short_name=[1]), "m.model_short_name is a list; expected text"),
        (manifest(model_type=[1]), "m.model_type is a list; expected text"),
        (manifest(model_name=[1]), "m.model_name is a list; expected text"),
        (manifest(data_source={"a": 1}), "m.data_source is a dict; expected text"),
    ],
)
def test_messages_say_where(values, message):
    with pytest.raises(RegistryError) as caught:
        parse(values)
    assert str(caught.value).startswith(f"gs://bucket/a/registry.yaml: is not a manifest of models: {message}")


@pytest.mark.parametrize("value", [0, 1])
def test_files_may_be_empty(value):
    files = {"x": {"size": value, "sha256": SHA}}
    size = parse(manifest({"versions": {"1.0.0": version(files=files)}})).find_model("m").find_size(None)
    assert size.versions[0].files["x"].size == value
