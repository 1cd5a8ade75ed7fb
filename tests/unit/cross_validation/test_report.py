"""The report of a cross-validation as JSON, CSV, Markdown, figure and text."""

import csv
import json

import pytest
import torch
from matplotlib.image import imread

from instageo.model.cross_validation.report import CvReport, print_report, report_json, write_report
from instageo.model.cross_validation.scores import FoldScores, summarize
from instageo.model.metrics.segmentation import scores_from_confusion
from instageo.model.metrics.summary import summarize_scores
from instageo.model.runs.rows import PrimaryMetrics

METRICS = PrimaryMetrics(("mIoU", "accuracy", "f1"), "max")
NAMES = ("land", "wa|ter", "ice")


def content(*hits):
    """Return scores with 10 pixels of each class, of which so many are right and the others the next class."""
    confusion = torch.diag(torch.tensor(hits))
    confusion += torch.diag(10 - torch.tensor(hits)).roll(1, 1)
    return summarize_scores(scores_from_confusion(confusion), NAMES)


def make_report(seeds=(1, 2), notes=("a note",)):
    runs = [
        FoldScores(fold, seed, f"out/{fold}/seed_{seed}", 5, 30, content(hits, 10, seed), apart_km, int(apart_km == 0))
        for seed in seeds
        for fold, hits, apart_km in (("fold_1", 4, 0.0), ("fold_2", 8, 12.3), ("nörd", 10, None))
    ]
    return CvReport("segmentation", METRICS, summarize(runs, METRICS), ("train.num_epochs=3",), notes)


def test_files_hold_the_same_numbers(tmp_path):
    report = make_report()
    paths = write_report(report, tmp_path)
    assert [path.name for path in paths] == ["cv.json", "cv.csv", "cv_report.md", "cv.png"]
    stored = json.loads(paths[0].read_text())
    assert stored == json.loads(report_json(report))
    assert (stored["task"], stored["main_score"], stored["seeds"]) == ("segmentation", "mIoU", [1, 2])
    accuracies = [[(hits + 10 + seed) / 30 for seed in (1, 2)] for hits in (4, 8, 10)]
    summary = stored["scores"]["accuracy"]
    assert [each["values"] for each in summary["by_fold"]] == [pytest.approx(each) for each in accuracies]
    means = [sum(each) / 2 for each in accuracies]
    mean = sum(means) / 3
    assert summary["mean_of_folds"]["mean"] == pytest.approx(mean)
    assert summary["mean_of_folds"]["std"] == pytest.approx((sum((each - mean) ** 2 for each in means) / 2) ** 0.5)
    assert summary["seed_std"] == pytest.approx((1 / 30) / 2**0.5)
    assert summary["pooled"]["mean"] == pytest.approx(mean)  # folds of equal size: both agree
    assert stored["folds"]["fold_2"][1] | {"scores": 0} == {
        "seed": 2, "run": "out/fold_2/seed_2", "test_chips": 5, "labels": 30,
        "at_least_km_from_training": 12.3, "chips_on_training_ground": 0, "scores": 0,
    }  # fmt: skip
    assert "confusion_matrix" not in stored["folds"]["fold_2"][1]["scores"]
    with open(paths[1], newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [(line["fold"], line["seed"]) for line in lines[1:3]] == [("fold_1", "2"), ("fold_2", "1")]
    assert [float(line["accuracy"]) for line in lines] == pytest.approx([each for fold in accuracies for each in fold])
    assert imread(paths[3])[..., :3].std() > 0.05


def test_the_markdown_names_mean_deviations_and_pooled_scores(tmp_path):
    write_report(make_report(), tmp_path)
    text = (tmp_path / "cv_report.md").read_text(encoding="utf-8")
    assert "| fold | test chips | labels | from training | mIoU | accuracy | F1 |" in text
    assert "| mean of folds ± deviation over folds |  |  |  |" in text
    assert "| 0.6278 ± 0.1018 |" in text  # accuracies 0.5167, 0.65, 0.7167
    assert "| deviation over seeds |  |  |  |" in text
    assert "| all test chips pooled | 15 | 90 |  |" in text
    assert "| fold_1 | 5 | 30 | 0 m |" in text
    assert "| fold_2 | 5 | 30 | ≥ 12.30 km |" in text
    assert "| nörd | 5 | 30 | – |" in text
    assert "| wa\\|ter | 3 of 3 |" in text
    assert text.splitlines()[-2:] == ["- settings: train.num_epochs=3", "- a note"]


def test_a_single_seed_has_no_row_of_seeds(tmp_path, capsys):
    report = make_report(seeds=(1,), notes=())
    write_report(report, tmp_path)
    assert "over seeds" not in (tmp_path / "cv_report.md").read_text()
    print_report(report)
    printed = capsys.readouterr().out
    assert "over seeds" not in printed
    assert "nörd" in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_a_regression_has_no_classes(tmp_path):
    sums = {
        "count": 4.0, "num_nonfinite": 0.0, "num_within": 0.0, "errors": [0.0, 4.0, 4.0], "origin": [0.0, 0.0],
        "mean": [1.0, 1.0], "products": [[8.0, 4.0], [4.0, 8.0]],
    }  # fmt: skip
    scores = {"rmse": 1.0, "mae": 1.0, "bias": 0.0, "r2": 0.5, "pearson": 0.5, "count": 4, "sums": sums}
    metrics = PrimaryMetrics(("rmse", "r2", "pearson"), "min")
    runs = [FoldScores(fold, 42, fold, 1, 4, scores) for fold in "ab"]
    report = CvReport("regression", metrics, summarize(runs, metrics), (), ())
    write_report(report, tmp_path)
    stored = json.loads((tmp_path / "cv.json").read_text())
    assert stored["per_class"] == {}
    assert stored["scores"]["r2"]["pooled"]["mean"] == pytest.approx(0.5)
    assert "count" not in stored["scores"]
    assert "sums" not in stored["folds"]["a"][0]["scores"]
    assert "## Classes" not in (tmp_path / "cv_report.md").read_text()
