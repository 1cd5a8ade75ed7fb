"""A teacher and its students on the command line, from settings to checkpoints that do not need the teacher."""

import csv
import shutil
import subprocess

import pytest
import torch

from instageo import load_model
from instageo.model.run import main
from tests.integration.conftest import QUICK, write_chips
from tests.integration.test_bad_input import one_sentence

TABLES = ["train_filepath=train.csv", "valid_filepath=valid.csv"]
TEACHER_SIZE = [*QUICK, "model.head=light", "model.depth=3", "train.num_epochs=2"]
STUDENT_SIZE = [*QUICK, "model.head=linear", "model.depth=2", "model.embed_dim=64"]
INIT = "distill.init_from_teacher=true"
ALL_PARTS = ["train.scheduler=constant", "distill.feature_weight=0.5", "distill.temperature=3", INIT]
TIMEOUT = 1800  # seconds; only ends a deadlock, also on a busy machine
BEST, LAST = "instageo_best_checkpoint.ckpt", "last.ckpt"


@pytest.fixture(scope="module")
def trained_teacher(tmp_path_factory):
    """Return a data folder, and the run folder of a teacher trained for two epochs."""
    base = tmp_path_factory.mktemp("trained_teacher")
    data = write_chips(base / "data")
    assert main([f"root_dir={data}", *TABLES, *TEACHER_SIZE, f"hydra.run.dir={base / 'teacher'}"]) == 0
    return data, base / "teacher"


def distill(trained_teacher, *more):
    """Return the arguments of a student of that teacher."""
    data, teacher = trained_teacher
    options = ["train.distillation=true", f"train.teacher_ckpt_path={teacher}"]
    return [f"root_dir={data}", *TABLES, *STUDENT_SIZE, *options, *more]


def state(folder, name=BEST):
    """Read the state dict of a checkpoint."""
    return torch.load(folder / name, weights_only=True)["state_dict"]


def rows(folder):
    """Read the history without its seconds."""
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def test_a_student_of_another_size_resumes_exactly_and_does_not_need_the_teacher_later(trained_teacher, run, tmp_path):
    # pitfalls 29, 30, 31
    data, teacher = trained_teacher
    moved = tmp_path / "teacher"
    shutil.copytree(teacher, moved)
    chosen = distill((data, moved), *ALL_PARTS)
    status, _, err = run(*chosen, "train.num_epochs=2", folder="whole")
    assert status == 0, err
    assert run(*chosen, "train.num_epochs=1", folder="halves")[0] == 0
    status, _, err = run(*chosen, "train.num_epochs=2", "train.resume=true", folder="halves")
    assert status == 0, err
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert "after epoch 1 of 2" in err
    assert rows(whole) == rows(halves)
    assert {"train_loss", "train_task_loss", "train_soft_loss", "train_feature_loss"} <= rows(whole)[0].keys()
    for name in (BEST, LAST):
        first, second = state(whole, name), state(halves, name)
        assert list(first) == list(second)
        assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert all(key.startswith("net.") for key in state(whole))
    extra = {key for key in state(whole, LAST) if not key.startswith("net.")}
    assert extra == {f"distiller.matching.projections.0.{part}" for part in ("weight", "bias")}
    shutil.rmtree(moved)
    model = load_model(whole)
    assert (model.net.prithvi_encoder.embed_dim, len(model.net.prithvi_encoder.blocks)) == (64, 2)
    common = ["mode=eval", f"root_dir={data}", "test_filepath=valid.csv", f"checkpoint_path={whole}"]
    assert run(*common, folder="scored")[0] == 0
    assert (tmp_path / "scored" / "metrics.json").read_text() == (whole / "metrics.json").read_text()


def test_an_untrained_student_equals_part_of_its_teacher_which_is_unchanged(trained_teacher, run, tmp_path):
    _, teacher = trained_teacher
    before = (teacher / BEST).read_bytes()
    options = ["distill.init_from_teacher=true", "distill.teacher_layers=[2,0]", "distill.alpha=0"]
    status, _, err = run(*distill(trained_teacher, *options, "train.learning_rate=1e-12"))
    assert status == 0, err
    student, weights = state(tmp_path / "run"), state(teacher)
    block = "net.prithvi_encoder.blocks.{}.mlp.fc1.weight".format
    for number, source in ((0, 2), (1, 0)):
        torch.testing.assert_close(student[block(number)], weights[block(source)][::4, ::4])
    assert (teacher / BEST).read_bytes() == before


def test_a_frozen_student_keeps_the_weights_of_its_teacher(trained_teacher, run, tmp_path):  # pitfall 29
    frozen = ["model.freeze_backbone=true", "distill.init_from_teacher=true"]
    status, _, err = run(*distill(trained_teacher, *frozen, "train.learning_rate=0.1"))
    assert status == 0, err
    student, weights = state(tmp_path / "run"), state(trained_teacher[1])
    encoder = [key for key in student if "prithvi_encoder.blocks.0." in key and "qkv" not in key and "proj" not in key]
    assert len(encoder) == 8
    for key in encoder:
        every_fourth = (slice(None, None, 4),) * student[key].ndim
        assert torch.equal(student[key], weights[key][every_fourth])
    soft_losses = {row["train_soft_loss"] for row in rows(tmp_path / "run")}
    assert all(0 < float(loss) < 100 for loss in soft_losses)


def test_distillation_changes_the_student(trained_teacher, run, tmp_path):
    assert run(*distill(trained_teacher, "distill.alpha=1"), folder="distilled")[0] == 0
    labels_only = [f"root_dir={trained_teacher[0]}", *TABLES, *STUDENT_SIZE]
    assert run(*labels_only, folder="alone")[0] == 0
    distilled, alone = state(tmp_path / "distilled"), state(tmp_path / "alone")
    assert list(distilled) == list(alone)
    assert any(not torch.equal(value, alone[key]) for key, value in distilled.items())


def test_lora_with_feature_maps_of_four_blocks_in_half_precision_saves_merged_weights(trained_teacher, run, tmp_path):
    chosen = ["model.lora_rank=2", "precision=bf16-mixed", "model.head=light", "distill.init_from_teacher=true",
              "distill.feature_weight=1", "distill.feature_blocks=pyramid"]  # fmt: skip
    status, _, err = run(*distill(trained_teacher, *chosen))
    assert status == 0, err
    plain = load_model(tmp_path / "run").net.state_dict()
    assert {key.removeprefix("net.") for key in state(tmp_path / "run")} == plain.keys()
    projections = [key for key in state(tmp_path / "run", LAST) if key.startswith("distiller.")]
    assert len(projections) == 4 * 2  # blocks, weight and bias


def test_two_processes_distil_from_one_teacher(trained_teacher, warm_command, tmp_path):
    chosen = [*distill(trained_teacher, "distill.feature_weight=1"), "train.batch_size=1", "valid_filepath=train.csv"]
    command = [*warm_command("instageo.model.run"), *chosen, "devices=2", "strategy=ddp"]
    command += [f"hydra.run.dir={tmp_path / 'run'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert float(rows(tmp_path / "run")[0]["train_soft_loss"]) > 0
    assert load_model(tmp_path / "run").net.prithvi_encoder.embed_dim == 64


TEACHER = "train.teacher_ckpt_path="
BAD = {
    "model.num_classes=3": "the teacher has model.num_classes=2, the student model.num_classes=3; both need the same",
    "dataloader.temporal_dim=2": "the teacher has dataloader.temporal_dim=1, the student dataloader.temporal_dim=2",
    "dataloader.constant_multiplier=1e-4": "the teacher has dataloader.constant_multiplier=1.0, the student",
    "dataloader.band_names=[BLUE,GREEN]":
        "the teacher needs the bands RED, NIR_NARROW, SWIR_1, SWIR_2, which the chips",
    f"{TEACHER}/no/where.ckpt": "train.teacher_ckpt_path=/no/where.ckpt: the file does not exist; expected the",
    f"{TEACHER}null":
        "train.distillation=true and train.teacher_ckpt_path=None contradict each other; name the teacher",
    "train.distillation=false": "train.distillation=false and train.teacher_ckpt_path=",
    f"train.distillation=false {TEACHER}null distill.alpha=0.3": "distill.* does nothing without train.distillation",
    "distill.alpha=1.5": "distill.alpha=1.5 does not work; expected 0 to 1",
    "distill.alpha=0": "leave nothing to learn from the teacher; raise one, or set distill.init_from_teacher=true",
    "distill.temperature=0": "distill.temperature=0.0 does not work; expected a number above 0",
    "distill.feature_blocks=first": "distill.feature_blocks=first does not work; expected last or pyramid",
    "distill.feature_weight=1 distill.feature_blocks=pyramid": "the head linear takes the last block only",
    "distill.feature_weight=1 model.freeze_backbone=true":
        "distill.feature_weight=1.0 does not work; expected 0 with model.freeze_backbone=true",
    "distill.teacher_layers=[0]": "distill.teacher_layers does nothing without distill.init_from_teacher=true; add it",
    "distill.init_from_teacher=true distill.teacher_layers=[0]": "expected 2 of the teacher's blocks 0..2, one",
    "distill.init_from_teacher=true model.embed_dim=512": "512 in the student, 256 in the teacher; expected no more",
    "distill.init_from_teacher=true model.depth=4": "the student has 4 blocks, the teacher 3; lower model.depth",
    "distill.init_from_teacher=true model.weights=a.pt":
        "distill.init_from_teacher=true and model.weights=a.pt contradict each other; choose one source of initial",
    "model.embed_dim=100": "model.embed_dim is 100; expected a multiple of 16",
}  # fmt: skip


@pytest.mark.parametrize("overrides", BAD)
def test_invalid_teachers_and_options_are_reported_before_data_are_read(overrides, trained_teacher, run, tmp_path):
    changed = [override.partition("=")[0] for override in overrides.split()]
    others = [argument for argument in distill(trained_teacher) if argument.partition("=")[0] not in changed]
    others[1] = "train_filepath=nowhere.csv"  # would be reported if tables were read first
    sentence = one_sentence(run(*others, *overrides.split()))
    assert BAD[overrides] in sentence
    left = {path.name for path in (tmp_path / "run").iterdir()} if (tmp_path / "run").exists() else set()
    assert left <= {".hydra", "run.json", "run.log"}


def test_a_teacher_with_other_class_names_is_an_error(trained_teacher, run, tmp_path):
    named = [
        f"root_dir={trained_teacher[0]}",
        *TABLES,
        *TEACHER_SIZE,
        "train.num_epochs=1",
        "model.class_names=[land,water]",
    ]
    assert run(*named, folder="named")[0] == 0
    sentence = one_sentence(run(*distill((trained_teacher[0], tmp_path / "named"), "model.class_names=[water,land]")))
    assert "the teacher's classes are ['land', 'water'], the student's ['water', 'land']; both need" in sentence
