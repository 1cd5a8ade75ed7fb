"""The density figure shows all scores, whatever other options are given."""

import math

import numpy as np
import pytest
from matplotlib.image import imread

from instageo.model.figures.canvas import new_figure
from instageo.model.figures.density import draw_density, draw_density_panel, format_scores, merge_cells
from instageo.model.metrics.density import Density, DensityRange
from instageo.model.metrics.summary import summarize_scores
from tests.unit.metrics.test_density import count_pairs, random_pairs

NAN = math.nan


def test_few_pixels_are_shown_in_few_cells_without_loss():
    """256 steps of 1; 2 pixels each in two cells, which 24 x 24 shown cells are enough for."""
    counts = np.zeros((256, 256), np.int64)
    counts[0, 0] = counts[239, 3] = 2
    cells, edges = merge_cells(Density(DensityRange(0, 256), counts, 0))
    assert cells.shape == (26, 26)  # 240 steps in 24 cells of 10, and an empty one on either side
    assert edges.tolist() == [10.0 * cell for cell in range(-1, 26)]
    assert cells.sum() == 4
    assert cells[1, 1] == cells[24, 1] == 2


def test_many_pixels_are_shown_as_counted():
    counts = np.full((256, 256), 5, np.int64)
    cells, edges = merge_cells(Density(DensityRange(0, 256), counts, 0))
    assert (cells[1:-1, 1:-1] == 5).all()
    assert edges[[0, -1]].tolist() == [-1, 257]


SCORES = {"rmse": 12.3456, "mae": 0.5, "bias": -1.25e-7, "r2": -0.5, "pearson": None, "count": 1234567}


def test_score_lines_by_hand():
    assert format_scores({**SCORES, "expected_error": 0.6789}, "Mg/ha") == [
        "n = 1,234,567", "RMSE = 12.35 Mg/ha", "MAE = 0.5 Mg/ha", "bias = −1.25e−07 Mg/ha", "R² = −0.500",
        "Pearson r = –", "within expected error: 67.9%",
    ]  # fmt: skip


@pytest.mark.parametrize("with_share", [False, True])
@pytest.mark.parametrize("unit", [None, "m"])
@pytest.mark.parametrize("expected_error", [None, (0.05, 0.15)])
def test_the_figure_shows_all_scores_whatever_the_other_options(with_share, unit, expected_error):  # pitfall 33
    scores = {**SCORES, "expected_error": 0.5} if with_share else SCORES
    panel = new_figure(4, 4).subplots()
    density = count_pairs(*random_pairs(), DensityRange(0, 300)).compute_density()
    draw_density_panel(panel, density, scores, unit, expected_error)
    assert [text.get_text() for text in panel.texts] == ["\n".join(format_scores(scores, unit))]
    assert ("within expected error" in panel.texts[0].get_text()) == with_share
    assert panel.get_xlim() == panel.get_ylim()
    names = [text.get_text() for text in panel.get_legend().get_texts()]
    assert names == (["1:1", "±(0.05 + 0.15 · |truth|)"] if expected_error else ["1:1"])


def test_drawn_lines_by_hand():
    """At a truth of 100 the band of 5 + 0.1 |truth| ends at 85 and 115; truth lies on x."""
    panel = new_figure(4, 4).subplots()
    counts = np.zeros((256, 256), np.int64)
    counts[0, 0] = counts[-1, 10] = 1
    draw_density_panel(panel, Density(DensityRange(-100, 156), counts, 0), SCORES, None, (5, 0.1))
    at = {truth: sorted(np.interp(truth, *line.get_data()) for line in panel.lines) for truth in (-50, 100)}
    np.testing.assert_allclose([at[-50], at[100]], [[-60, -50, -40], [85, 100, 115]], atol=0.2)
    mesh = panel.collections[0].get_array()
    rows, columns = np.nonzero(~np.ma.getmaskarray(mesh))
    assert sorted(rows)[-1] < len(mesh) / 4  # predictions are low,
    assert max(columns) > len(mesh) / 2  # but one truth is high


@pytest.mark.parametrize(
    ("prediction", "truth"),
    [
        random_pairs(),
        ([1.0, 2.0], [3.0, 3.0]),
        ([4.0], [3.0]),
        ([1.0], [NAN]),
        ([99.0, -99.0], [1.0, 2.0]),
    ],
    ids=["many", "constant truth", "one", "none", "outside"],
)
def test_a_figure_is_written(tmp_path, prediction, truth):
    metrics = count_pairs(prediction, truth, DensityRange(0, 300 if len(truth) > 2 else 5))
    scores = summarize_scores(metrics.compute())
    draw_density(metrics.compute_density(), scores, tmp_path / "density.png", unit="m", name="test")
    picture = imread(tmp_path / "density.png")
    assert picture.shape[:2] == (870, 990)
    assert picture[..., :3].std() > 0.05
