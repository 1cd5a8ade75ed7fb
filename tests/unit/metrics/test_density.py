"""Counts of truth and prediction are NumPy's, and their figure carries all scores whatever else is asked for."""

import math

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from instageo.model.figures.canvas import new_figure
from instageo.model.figures.density import density_figure, draw_density, score_lines, shown_cells
from instageo.model.metrics.density import Density, DensityRange
from instageo.model.metrics.regression import RegressionMetrics
from instageo.model.metrics.summary import summarize_scores

NAN = math.nan


def counted(prediction, truth, density_range, parts=1):
    metrics = RegressionMetrics(density=density_range)
    for some in zip(torch.as_tensor(prediction).chunk(parts), torch.as_tensor(truth).chunk(parts), strict=True):
        metrics.update(*some)
    return metrics


def drawn(pixels=5000, seed=0):
    source = np.random.default_rng(seed)
    truth = source.gamma(1.5, 60, pixels)
    return (truth + source.normal(0, 30, pixels)).astype(np.float32), truth.astype(np.float32)


@pytest.mark.parametrize("parts", [1, 7])
def test_the_same_as_numpy(parts):
    prediction, truth = drawn()
    density = counted(prediction, truth, DensityRange(0, 300, 64), parts).compute_density()
    inside = (np.clip(values.astype(float), 0, 300) for values in (truth, prediction))
    expected, _, _ = np.histogram2d(*inside, bins=64, range=[[0, 300]] * 2)
    np.testing.assert_array_equal(density.counts, expected)
    assert density.outside == np.sum((truth < 0) | (truth > 300) | (prediction < 0) | (prediction > 300)) > 0
    assert density.counts.dtype == np.int64


def test_by_hand():
    """Steps of 1 from 0 to 4: cells hold their lower edge, the last its upper one too, and what lies outside."""
    truth = [0.0, 0.9, 1.0, 4.0, 9.0, NAN, 2.0]
    prediction = [0.0, 1.0, 0.5, 3.0, -3.0, 2.0, 4.0]
    density = counted(prediction, truth, DensityRange(0, 4, 4)).compute_density()
    assert density.counts.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 1]]
    assert density.outside == 1


def test_values_that_are_no_numbers_are_not_placed():
    density = counted([NAN, math.inf, 1.0], [1.0, 1.0, -math.inf], DensityRange(0, 2, 2)).compute_density()
    assert density.counts.sum() == density.outside == 0


def test_without_a_range_nothing_is_counted():
    assert counted([1.0], [1.0], None).compute_density() is None


@pytest.mark.parametrize(("low", "high"), [(1, 1), (2, 1), (NAN, 1), (0, math.inf)])
def test_a_range_must_be_one(low, high):
    with pytest.raises(ValueError, match="finite low < high"):
        DensityRange(low, high)


def test_a_range_around_labels_leaves_room():
    assert DensityRange.around(0, 100) == DensityRange(-10, 110)
    assert DensityRange.around(-5, -5) == DensityRange(-7.5, -2.5)
    assert DensityRange.around(0, 0) == DensityRange(-1, 1)


def test_few_pixels_are_shown_in_few_cells_and_none_is_lost():
    """256 steps of 1; 2 pixels in the first and the third cell of 4, so many that two of every 24 cells show them."""
    counts = np.zeros((256, 256), np.int64)
    counts[0, 0] = counts[239, 3] = 2
    cells, edges = shown_cells(Density(DensityRange(0, 256), counts, 0))
    assert cells.shape == (26, 26)  # 240 steps in 24 cells of 10, and an empty one on either side
    assert edges.tolist() == [10.0 * cell for cell in range(-1, 26)]
    assert cells.sum() == 4
    assert cells[1, 1] == cells[24, 1] == 2


def test_many_pixels_are_shown_as_they_were_counted():
    counts = np.full((256, 256), 5, np.int64)
    cells, edges = shown_cells(Density(DensityRange(0, 256), counts, 0))
    assert (cells[1:-1, 1:-1] == 5).all()
    assert edges[[0, -1]].tolist() == [-1, 257]


SCORES = {"rmse": 12.3456, "mae": 0.5, "bias": -1.25e-7, "r2": -0.5, "pearson": None, "count": 1234567}


def test_scores_by_hand():
    assert score_lines({**SCORES, "expected_error": 0.6789}, "Mg/ha") == [
        "n = 1,234,567", "RMSE = 12.35 Mg/ha", "MAE = 0.5 Mg/ha", "bias = −1.25e−07 Mg/ha", "R² = −0.500",
        "Pearson r = –", "within expected error: 67.9%",
    ]  # fmt: skip


@pytest.mark.parametrize("with_share", [False, True])
@pytest.mark.parametrize("unit", [None, "m"])
@pytest.mark.parametrize("expected_error", [None, (0.05, 0.15)])
def test_the_scores_stand_in_the_figure_whatever_else_is_asked_for(with_share, unit, expected_error):  # pitfall 33
    scores = {**SCORES, "expected_error": 0.5} if with_share else SCORES
    panel = new_figure(4, 4).subplots()
    density = counted(*drawn(), DensityRange(0, 300)).compute_density()
    draw_density(panel, density, scores, unit, expected_error)
    assert [text.get_text() for text in panel.texts] == ["\n".join(score_lines(scores, unit))]
    assert ("within expected error" in panel.texts[0].get_text()) == with_share
    assert panel.get_xlim() == panel.get_ylim()
    names = [text.get_text() for text in panel.get_legend().get_texts()]
    assert names == (["1:1", "±(0.05 + 0.15 · |truth|)"] if expected_error else ["1:1"])


def test_lines_by_hand():
    """At a truth of 100 the band of 5 + 0.1 |truth| ends at 85 and 115; truth lies on x."""
    panel = new_figure(4, 4).subplots()
    counts = np.zeros((256, 256), np.int64)
    counts[0, 0] = counts[-1, 10] = 1
    draw_density(panel, Density(DensityRange(-100, 156), counts, 0), SCORES, None, (5, 0.1))
    at = {place: sorted(np.interp(place, *line.get_data()) for line in panel.lines) for place in (-50, 100)}
    np.testing.assert_allclose([at[-50], at[100]], [[-60, -50, -40], [85, 100, 115]], atol=0.2)
    mesh = panel.collections[0].get_array()
    rows, columns = np.nonzero(~np.ma.getmaskarray(mesh))
    assert sorted(rows)[-1] < len(mesh) / 4  # predictions are low,
    assert max(columns) > len(mesh) / 2  # but one truth is high


@pytest.mark.parametrize(
    ("prediction", "truth"),
    [(drawn()[0], drawn()[1]), ([1.0, 2.0], [3.0, 3.0]), ([4.0], [3.0]), ([1.0], [NAN]), ([99.0, -99.0], [1.0, 2.0])],
    ids=["many", "constant truth", "one", "none", "outside"],
)
def test_a_figure_is_written(tmp_path, prediction, truth):
    metrics = counted(prediction, truth, DensityRange(0, 300 if len(truth) > 2 else 5))
    scores = summarize_scores(metrics.compute())
    density_figure(metrics.compute_density(), scores, tmp_path / "density.png", unit="m", name="test")
    picture = imread(tmp_path / "density.png")
    assert picture.shape[:2] == (870, 990)
    assert picture[..., :3].std() > 0.05
