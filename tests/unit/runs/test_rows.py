"""Rows of a report, against numbers computed by hand."""

import math

import pytest

from instageo.errors import ConfigError
from instageo.model.runs.rows import Spread, find_teacher, score_spreads
from instageo.model.settings.compose import default_settings, update_settings
from instageo.model.tasks.from_settings import task_from_settings
from tests.unit.runs.conftest import SEGMENTATION, make_distilled, make_run


def test_mean_and_deviation_by_hand():
    spread = Spread.of([1.0, 2.0, 6.0])
    assert (spread.mean, spread.std) == (3.0, pytest.approx(math.sqrt((4 + 1 + 9) / 2)))
    assert Spread.of([4.0]) == Spread(4.0, None, (4.0,))
    assert Spread.of([4.0, None]) is None


def test_the_teacher_is_the_one_that_is_named_or_distilled_from_or_costs_most():
    groups = [[make_run("small")], [make_run("big")], [make_distilled("student")], [make_run("huge")]]
    assert find_teacher(groups, [1, 5, 2, 9], "small") == 0
    assert find_teacher(groups, [1, 5, 2, 9], None) == 1
    assert find_teacher([groups[0], groups[3]], [1, 9], None) == 1
    assert find_teacher([groups[2], groups[0]], [5, 5], None) == 1


def test_rows_by_hand(rows):
    teacher, student, alone = rows
    assert [(row.name, row.role, row.seeds) for row in rows] == [
        ("T", "teacher", (1,)), ("D|", "distilled", (1, 2)), ("A", "alone", (1,)),
    ]  # fmt: skip
    assert (teacher.flops_ratio, student.flops_ratio) == (1, 1 / 16)
    assert student.scores["mIoU"].mean == pytest.approx(0.7)
    assert student.scores["mIoU"].std == pytest.approx(0.2 / math.sqrt(2))
    assert student.differences == {"mIoU": pytest.approx(-0.2), "accuracy": None}  # one seed has no accuracy
    assert student.training["energy_kwh"] == Spread(3.0, pytest.approx(math.sqrt(2)), (2.0, 4.0))
    assert student.training["co2_kg"] is None  # only one of its runs has it
    assert alone.training == {"energy_kwh": None, "co2_kg": None, "wall_seconds": None}


def test_scores_without_a_primary_metric_are_rejected():
    with pytest.raises(ConfigError, match="a: its scores have no mIoU; score it again with --table"):
        score_spreads([make_run("a")], [{"rmse": 1.0}], SEGMENTATION)


@pytest.mark.parametrize(
    ("changes", "metrics"),
    [
        ({}, ("mIoU", "accuracy", "f1")),
        ({"dataloader.label_kind": "chip"}, ("f1", "accuracy")),
        ({"dataloader.label_kind": "chip_multi"}, ("mAP", "f1")),
        ({"is_reg_task": True, "model.num_classes": 1}, ("rmse", "r2", "pearson")),
    ],
)
def test_the_first_primary_metric_of_every_task_is_the_one_that_selects_the_best_epoch(changes, metrics):
    labels = {"dataloader.label_mean": 0.0, "dataloader.label_std": 1.0}
    task = task_from_settings(update_settings(default_settings(), changes | labels))
    assert task.primary_metrics == metrics
    assert task.monitor.name == f"val_{metrics[0]}"
