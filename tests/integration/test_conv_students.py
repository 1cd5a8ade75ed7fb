"""Convolutional students on the command line: taught with chips that have no labels, resumed, scored, refused."""

import numpy as np
import pytest
import torch

from instageo import load_model
from instageo.errors import ConfigError
from instageo.model.run import main
from tests.integration.conftest import QUICK, write_chips
from tests.integration.test_bad_input import one_sentence
from tests.integration.test_distillation import BEST, LAST, TABLES, rows, state

CONV = [option for option in QUICK if not option.startswith(("model.model_name", "model.head", "model.depth"))]


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """Return arguments of a student, taught on labelled and unlabelled chips by a teacher of one epoch."""
    base = tmp_path_factory.mktemp("conv_students")
    data = write_chips(base / "data")
    (data / "more.csv").write_text("Input,Label\nchips/chip_0.tif,labels/missing.tif\nchips/chip_1.tif,\n")
    teacher = [f"root_dir={data}", *TABLES, *QUICK, "model.head=light", f"hydra.run.dir={base / 'teacher'}"]
    assert main(teacher) == 0
    options = ["model.model_name=conv_nano", "train.distillation=true", f"train.teacher_ckpt_path={base / 'teacher'}"]
    return [f"root_dir={data}", *TABLES, *CONV, *options, "distill.unlabelled_filepath=more.csv"]


def test_a_student_resumes_exactly_and_is_scored_and_loaded_without_its_teacher(taught, run, tmp_path):
    chosen = [*taught, "distill.feature_weight=0.5", "distill.unlabelled_batch_size=3", "train.scheduler=constant"]
    status, _, err = run(*chosen, "train.num_epochs=2", folder="whole")
    assert status == 0, err
    assert "more.csv: 3 of its 2 chips in each batch" in err
    assert run(*chosen, "train.num_epochs=1", folder="halves")[0] == 0
    assert run(*chosen, "train.num_epochs=2", "train.resume=true", folder="halves")[0] == 0
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert rows(whole) == rows(halves)
    first, second = state(whole, LAST), state(halves, LAST)
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert any(key.startswith("net.conv_encoder.") for key in state(whole, BEST))
    data = taught[0]
    common = ["mode=eval", data, "test_filepath=valid.csv", f"checkpoint_path={whole}"]
    assert run(*common, folder="scored")[0] == 0
    assert (tmp_path / "scored" / "metrics.json").read_text() == (whole / "metrics.json").read_text()
    model = load_model(whole)
    assert (model.settings.model.model_name, model.settings.model.head) == ("conv_nano", "conv")
    image = np.full((6, 45, 70), 900, np.float32)
    assert model.predict(image).classes.shape == (45, 70)
    with pytest.raises(ConfigError, match="encode needs a network with a Prithvi encoder, which conv_nano does not"):
        model.encode(image)


def test_chips_that_the_unlabelled_table_shares_with_validation_are_warned_of(taught, run, tmp_path):
    data = taught[0].partition("=")[2]
    status, _, err = run(*taught[:-1], f"distill.unlabelled_filepath={data}/valid.csv")
    assert status == 0, err
    assert "valid.csv" in err
    assert "chip_4.tif" in err


BAD = {
    "model.head=light": "model.head=light is for Prithvi encoders; conv_nano has its own decoder: remove model.head",
    "model.freeze_backbone=true": "model.freeze_backbone is for Prithvi networks, which have an encoder of transformer",
    "model.train_last_blocks=1": "model.train_last_blocks is for Prithvi networks",
    "model.lora_rank=2": "model.lora_rank is for Prithvi networks",
    "model.weights=a.pt": "remove it for conv_nano; pass the run or checkpoint as checkpoint_path",
    "model.depth=2": "model.depth=2 is for Prithvi networks; remove it for conv_nano",
    "distill.init_from_teacher=true":
        "distill.init_from_teacher=true needs a network with a Prithvi encoder, which conv_nano does not have",
    "distill.feature_weight=1 distill.feature_blocks=pyramid": "the head conv takes the last block only; expected last",
    "distill.unlabelled_filepath=nowhere.csv": "nowhere.csv",
    "distill.unlabelled_filepath=null distill.unlabelled_batch_size=2":
        "distill.unlabelled_batch_size does nothing without distill.unlabelled_filepath; add it",
    "distill.alpha=0 distill.init_from_teacher=true":
        "distill.unlabelled_filepath does nothing with distill.alpha=0 and distill.feature_weight=0; raise one",
    "model.date_pooling=max": "model.date_pooling=max does not work; expected mean or attention",
}  # fmt: skip


@pytest.mark.parametrize("overrides", BAD)
def test_what_does_not_fit_is_one_sentence(overrides, taught, run):
    changed = [override.partition("=")[0] for override in overrides.split()]
    others = [argument for argument in taught if argument.partition("=")[0] not in changed]
    assert BAD[overrides] in one_sentence(run(*others, *overrides.split()))


def test_whole_chips_are_classified_from_several_dates(run, tmp_path):
    data = write_chips(tmp_path / "data", num_dates=2)
    for table in ("train", "valid"):
        numbers = range(4) if table == "train" else range(4, 5)
        lines = [f"chips/chip_{number}.tif,{number % 2}\n" for number in numbers]
        (data / f"{table}.csv").write_text("Input,Label\n" + "".join(lines))
    chosen = ["dataloader.label_kind=chip", "dataloader.temporal_dim=2", "model.date_pooling=attention"]
    status, _, err = run(f"root_dir={data}", *TABLES, *CONV, "model.model_name=conv_nano", *chosen)
    assert status == 0, err
    model = load_model(tmp_path / "run")
    assert (model.settings.model.head, model.net.image_level) == ("pooled", True)
    assert model.net.config.date_pooling == "attention"
