"""The report of a recipe: numbers that one can check by hand."""

import json
from dataclasses import replace

import pytest

from instageo.recipes.definition.recipe import RecipeError
from instageo.recipes.definition.shipped import open_recipe
from instageo.recipes.preparation.folder import Preparation
from instageo.recipes.recipe_runs import RecipeRuns
from instageo.recipes.report import report_content, report_text
from instageo.recipes.run_arguments import Job, check_arguments, scoring_arguments, seeds_from_text, training_arguments


def write_run(folder, seed, scores, *, epochs=50, seconds=60.0, energy=0.5):
    run = {
        "format": 1, "mode": "train", "status": "finished", "seed": seed,
        "versions": {"instageo": "0.1.0", "torch": "2.9"}, "machine": {"gpu": None},
        "network": {"model_name": "net", "head": "light", "parameters": 2_000_000, "forward_flops": 3_000_000_000,
                    "forward_shape": [6, 1, 224, 224]},
        "tables": {"train_filepath": {"chips": 10, "left_out": 2}, "valid_filepath": {"chips": 3, "left_out": 0}},
        "configuration": {"train": {"num_epochs": 50}},
        "total": {"epochs": epochs, "wall_seconds": seconds, "energy_kwh": energy, "co2_kg": energy and energy / 10},
    }  # fmt: skip
    (folder / "test").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "test" / "run.json").write_text(json.dumps({"format": 1, "tables": {"test_filepath": {"chips": 4}}}))
    (folder / "test" / "metrics.json").write_text(json.dumps(scores))
    return folder


@pytest.fixture
def runs(tmp_path):
    """Two runs of sen1floods11 with an mIoU of 0.80 and 0.90."""
    recipe = open_recipe("sen1floods11")
    folders = [
        write_run(tmp_path / "seed_1", 1, {"mIoU": 0.80, "accuracy": 0.95, "f1": 0.9, "roc_auc": None}),
        write_run(tmp_path / "seed_2", 2, {"mIoU": 0.90, "accuracy": 0.97, "f1": 0.9, "roc_auc": 0.99}, epochs=20),
    ]
    return RecipeRuns(recipe, Preparation("sen1floods11", recipe.sha256, "published"), folders)


def test_published_against_reached(runs):
    content = report_content(runs)
    rows = {row["score"]: row for row in content["scores"]}
    assert rows["mIoU"]["mean"] == pytest.approx(85)
    assert rows["mIoU"]["deviation"] == pytest.approx(50**0.5)
    assert rows["mIoU"]["difference"] == pytest.approx(85 - 88.53)
    assert (rows["roc_auc"]["n"], rows["roc_auc"]["deviation"]) == (1, None)
    assert content["cost"]["wall_seconds"] == 120
    assert content["cost"]["energy_kwh"] == 1
    text = report_text(content)
    assert "| mIoU | 88.53 | 85.00 ± 7.07 | -3.53 |" in text
    assert "| ROC-AUC | 99.16 | 99.00 | -0.16 |" in text
    assert "- network: net, head light, 2.00 M parameters" in text
    assert "- 3 GFLOPs for a window of 6 x 1 x 224 x 224" in text
    assert "- training: 2:00 for 2 trainings together" in text
    assert "- energy: 1 kWh, 0.1 kg of CO2 equivalents" in text


def test_what_was_not_the_same(runs):
    changed = replace(runs, overrides=("train.num_epochs=50",), state=replace(runs.state, sha256="other"))
    sentences = report_content(changed)["not_the_same"]
    for sentence in (
        "Settings that differ from the recipe: `train.num_epochs=50`.",
        "Epochs: 50; seeds: 1, 2.",
        "The training of seed 2 ended early.",
        "Chips: train 10, valid 3, test 4.",
        "2 rows of the table train could not be used.",
        "The recipe has changed since its data were prepared.",
    ):
        assert sentence in sentences
    assert not any("of your own" in sentence for sentence in sentences)


def test_students_are_compared_with_their_teachers(runs, tmp_path):
    student = write_run(tmp_path / "tiny" / "seed_1", 1, {"mIoU": 0.7, "accuracy": 0.9, "f1": 0.8, "roc_auc": 0.9})
    content = report_content(replace(runs, folders=[student], size="tiny", teachers=runs))
    text = report_text(content)
    assert "| mIoU | 88.53 | 70.00 | -18.53 | 85.00 |" in text
    assert "distilled to the size tiny" in text
    assert "- the training of the teachers is not included" in text
    assert "mean ± sample standard deviation over 1 seed." in text


def test_energy_that_was_not_measured_is_missing(runs, tmp_path):
    other = write_run(tmp_path / "seed_3", 3, {"mIoU": 0.7}, energy=None)
    content = report_content(replace(runs, folders=[*runs.folders, other]))
    assert content["cost"]["energy_kwh"] is None
    assert "energy: not measured" in report_text(content)


def test_arguments_are_those_of_the_recipe_and_the_user(tmp_path):
    job = Job(open_recipe("us-cdl-2022"), tmp_path, "rebuilt", ("train.num_epochs=3", "accelerator=cpu"))
    root = tmp_path / "chips"
    assert training_arguments(job, 2, None) == [
        "--config-name=multitemporal_crop_classification", f"root_dir={root}", f"train_filepath={root / 'train.csv'}",
        f"valid_filepath={root / 'val.csv'}", "seed=2", "model.model_name=prithvi_eo_v2_300",
        "dataloader.reduce_to_zero=false", "train.num_epochs=3", "accelerator=cpu",
    ]  # fmt: skip
    student = training_arguments(job, 2, "tiny")
    assert "model.model_name=prithvi_eo_v2_300" not in student
    assert {"model.size=tiny", "train.distillation=true"} < set(student)
    assert f"train.teacher_ckpt_path={tmp_path / 'runs' / 'recipe' / 'seed_2'}" in student
    assert scoring_arguments(job, tmp_path / "x") == [
        "mode=eval", f"root_dir={root}", f"test_filepath={root / 'test.csv'}", f"checkpoint_path={tmp_path / 'x'}",
        "accelerator=cpu",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "a", "1,,2", "1,1", "-1", "1.5", "01,1"])
def test_seeds_that_are_no_seeds(text):
    with pytest.raises(RecipeError, match="expected different whole numbers"):
        seeds_from_text(text)


def test_seeds():
    assert seeds_from_text("1, 2,30") == [1, 2, 30]


@pytest.mark.parametrize(
    ("size", "override", "message"),
    [
        ("teacher", None, "the recipe itself trains the teacher"),
        ("tinny", None, r"did you mean tiny\?"),
        (None, "seed=3", "seed is set by the recipe"),
        (None, "hydra.run.dir=x", "hydra.run.dir is set by the recipe"),
        (None, "--sizes", "'--sizes' is unknown; expected settings"),
        (None, "-m", "'-m' is unknown"),
    ],
)
def test_arguments_that_do_not_work(size, override, message):
    with pytest.raises(RecipeError, match=message):
        check_arguments(size, [override] if override else [])
