"""What a manifest records of a run."""

import json
from dataclasses import replace

import pytest

from instageo.errors import ConfigError, RegistryError
from instageo.model.publishing.version_metadata import checksum_run, identify_teacher, numbered_classes
from tests.unit.runs.conftest import make_run

SHA256_OF_TEACHER = "1057a9604e04b274da5a4de0c8f4b4868d9b230989f8c8c6a28221143cc5a755"


def test_the_teacher_is_identified_by_its_name_or_its_file(tmp_path):
    (tmp_path / "t.ckpt").write_bytes(b"teacher")
    settings = {"train.distillation": True, "train.teacher_ckpt_path": str(tmp_path / "t.ckpt")}
    assert identify_teacher(settings) == {"file": "t.ckpt", "sha256": SHA256_OF_TEACHER}
    in_registry = settings | {"train.teacher_ckpt_path": "registry:floods/big"}
    assert identify_teacher(in_registry) == {"name": "floods/big@latest"}
    lost = settings | {"train.teacher_ckpt_path": str(tmp_path / "gone.ckpt")}
    assert identify_teacher(lost) == {"file": "gone.ckpt", "sha256": "unknown"}
    assert identify_teacher(settings | {"train.distillation": False}) is None
    assert identify_teacher({}) is None


def test_classes_are_named_by_the_user_or_the_run():
    run = make_run("a", model__class_names=["land", "water"])
    assert numbered_classes(run, ()) == {0: "land", 1: "water"}
    assert numbered_classes(run, (), ("dry", "wet")) == {0: "land", 1: "water"}
    assert numbered_classes(run, ("land", "water"), ("dry", "wet")) == {0: "land", 1: "water"}
    with pytest.raises(RegistryError, match="a: was trained with the classes land, water, but --classes says dry, wet"):
        numbered_classes(run, ("dry", "wet"))
    unnamed = make_run("a")
    assert numbered_classes(unnamed, ("dry", "wet"), ("A", "B")) == {0: "dry", 1: "wet"}
    assert numbered_classes(unnamed, (), ("A", "B")) == {0: "A", 1: "B"}
    with pytest.raises(RegistryError, match="a: has 2 classes and 3 names of classes; give --classes"):
        numbered_classes(unnamed, ("A", "B", "C"))
    with pytest.raises(RegistryError, match="a: has 2 classes and no names of its classes"):
        numbered_classes(make_run("a"), ())
    assert numbered_classes(make_run("a", is_reg_task=True), ()) == {}
    with pytest.raises(RegistryError, match="a regression has no classes; remove --classes"):
        numbered_classes(make_run("a", is_reg_task=True), ("A",))


def test_published_files_are_those_of_the_run_and_its_exports(tmp_path):
    (tmp_path / "exports").mkdir()
    for name in ("instageo_best_checkpoint.ckpt", "last.ckpt", "run.json", "exports/net.onnx", "exports/notes.txt"):
        (tmp_path / name).write_bytes(b"teacher")
    run = replace(make_run("a"), path=tmp_path / "instageo_best_checkpoint.ckpt")
    checksums = checksum_run(run)
    assert list(checksums) == ["instageo_best_checkpoint.ckpt", "run.json", "exports/net.onnx"]
    assert {(checksum.size, checksum.sha256) for checksum in checksums.values()} == {(7, SHA256_OF_TEACHER)}


def export_record(sha256, name="net.onnx"):
    entry = {"format": "onnx", "precision": "f32", "files": {name: {"size": 7, "sha256": SHA256_OF_TEACHER}}}
    return {"model": {"sha256": sha256}, "exports": {name: entry}}


@pytest.fixture
def exported(tmp_path):
    """Return a function that checks what would be published of a run with an `export.json`."""
    (tmp_path / "run" / "exports").mkdir(parents=True)
    for name in ("run/instageo_best_checkpoint.ckpt", "run/exports/net.onnx", "secret.onnx", "net.onnx"):
        (tmp_path / name).write_bytes(b"teacher")

    def published(record):
        (tmp_path / "run" / "exports" / "export.json").write_text(json.dumps(record))
        return list(checksum_run(replace(make_run("a"), path=tmp_path / "run" / "instageo_best_checkpoint.ckpt")))

    return published


def test_exports_are_published_with_their_record(exported):
    names = ["instageo_best_checkpoint.ckpt", "exports/export.json", "exports/net.onnx"]
    assert exported(export_record(SHA256_OF_TEACHER)) == names
    with pytest.raises(RegistryError, match="were exported from another checkpoint"):
        exported(export_record("0" * 64))


@pytest.mark.parametrize(
    "record",
    [
        *(
            export_record(SHA256_OF_TEACHER, name)
            for name in ("../../net.onnx", "/etc/passwd", "a/b.onnx", ".lock", "")
        ),
        {"model": 5, "exports": {}},
        {"exports": {"net.onnx": 3}},
        {"model": {"sha256": "0"}, "exports": {"net.onnx": {"files": []}}},
        {"model": {"sha256": "0"}, "exports": {"net.onnx": {"format": "a", "precision": "b", "files": {"a": None}}}},
        None,
    ],
    ids=str,
)
def test_a_record_that_points_elsewhere_is_refused_before_anything_is_uploaded(exported, record):
    with pytest.raises(ConfigError, match=r"export\.json: is damaged"):
        exported(record)


@pytest.mark.parametrize("name", ["exports/other.onnx", "run.json"])
def test_links_that_lead_out_of_the_run_are_not_published(exported, tmp_path, name):
    (tmp_path / "run" / name).symlink_to(tmp_path / "secret.onnx")
    with pytest.raises(RegistryError, match="outside of the model's folder; remove the link"):
        exported(export_record(SHA256_OF_TEACHER))
