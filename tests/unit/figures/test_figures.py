"""Figures are written as PNG."""

import pytest
from matplotlib.image import imread

from instageo.model.figures.canvas import new_figure
from instageo.model.figures.confusion import draw_confusion
from instageo.model.figures.curves import draw_learning_curve, fit_scale

FULL = [
    {
        "epoch": epoch,
        "train_loss": 1 / (epoch + 1),
        "val_loss": 1.0,
        "val_mIoU": 0.5,
        "val_accuracy": 0.6,
        "val_f1": 0.7,
    }
    for epoch in range(3)
]


def test_the_curve_of_a_regression_has_a_panel_of_errors(tmp_path):
    scores = {"train_loss": 3.0, "val_loss": 2.0, "val_r2": 0.5, "val_pearson": 0.7, "val_rmse": 9.0, "val_count": 1e9}
    draw_learning_curve([{"epoch": epoch, **scores} for epoch in range(3)], tmp_path / "curve.png")
    assert imread(tmp_path / "curve.png").shape[:2] == (480, 1800)


@pytest.mark.parametrize(
    ("values", "bounded", "scale", "lowest"),
    [
        ([-40.0, 0.2, 0.6], True, "linear", -0.5),  # R2 of a first epoch
        ([-40.0, -3.0, -1.0], True, "linear", None),
        ([0.2, 0.6], True, "linear", None),
        ([4000.0, 60.0], False, "log", None),
        ([4000.0, 600.0], False, "linear", None),
        ([4000.0, -60.0, float("nan")], False, "linear", None),
    ],
)
def test_first_epochs_do_not_flatten_the_rest(values, bounded, scale, lowest):
    panel = new_figure(4, 4).subplots()
    panel.plot(values)
    fit_scale(panel, bounded)
    assert panel.get_yscale() == scale
    assert (panel.get_ylim()[0] == -0.5) == (lowest == -0.5)
    assert panel.get_ylim()[0] < panel.get_ylim()[1]


@pytest.mark.parametrize(
    "rows",
    [
        FULL,
        FULL[:1],
        [{"epoch": 0, "val_mIoU": 0.1, "val_loss": 2.0}, *FULL[1:]],
        [{**row, "val_f1": float("nan")} for row in FULL],
    ],
    ids=["full", "one epoch", "gaps", "no score"],
)
def test_a_learning_curve_is_written(tmp_path, rows):
    draw_learning_curve(rows, tmp_path / "curve.png")
    picture = imread(tmp_path / "curve.png")
    assert picture.shape[:2] == (480, 1200)  # 4 x 10 inches at 120 dots
    assert picture[..., :3].std() > 0.05  # not one colour


@pytest.mark.parametrize("classes", [2, 21])
def test_a_confusion_matrix_is_written(tmp_path, classes):
    confusion = [[1500 if row == column else 0 for column in range(classes)] for row in range(classes)]
    confusion[1] = [0] * classes  # a class without pixels
    draw_confusion(confusion, [f"class {number}" for number in range(classes)], tmp_path / "matrix.png")
    assert imread(tmp_path / "matrix.png")[..., :3].std() > 0.05
