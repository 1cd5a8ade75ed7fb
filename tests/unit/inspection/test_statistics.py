"""Mean, deviation and class weights are those of NumPy over all valid pixels."""

import json
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from instageo.errors import ConfigError, DataError
from instageo.model.commands.stats import stats
from instageo.model.context import Run
from instageo.model.inspection.statistics import compute_class_weights, compute_moments, merge_moments
from instageo.model.settings import DataSettings, ModelSettings, Settings, TrainSettings


def level(value, side=4):
    return np.full((1, 1, side, side), value, np.float32), np.ones((1, side, side), bool)


def test_two_levels_by_hand():  # pitfall 10: the mean of the chips' own deviations would be 0
    total = merge_moments(compute_moments(*level(0)), compute_moments(*level(10)))
    assert (total.count, total.pixels) == (32, 32)
    assert (total.mean.tolist(), total.std.tolist()) == ([5], [5])


def test_chips_of_mixed_sizes_count_by_their_pixels():  # pitfalls 10, 16
    total = merge_moments(
        compute_moments(*level(0, side=3)), compute_moments(*level(10, side=1))
    )  # nine pixels of 0, one of 10
    assert (total.mean.tolist(), total.std.tolist()) == ([1], [3])


@pytest.mark.parametrize("offset", [0, 1e4, 1e6])
def test_a_far_mean_does_not_blur_the_deviation(offset):  # pitfalls 10, 23
    total = reduce(merge_moments, [compute_moments(*level(offset + value)) for value in (0, 2, 2, 0)])
    assert_allclose(total.mean, [offset + 1], rtol=1e-12)
    assert_allclose(total.std, [1], rtol=1e-9)


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=6),
    st.sampled_from([1e-4, 1.0, 1e4]),
    st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    st.integers(0, 999),
)
def test_any_split_gives_the_moments_of_numpy(shapes, unit, missing, seed):  # pitfalls 9, 10
    source = np.random.default_rng(seed)
    chips = []
    for shape in shapes:
        valid = source.random((2, *shape)) >= missing
        image = unit * (source.normal(3, 1, (3, 1, 1, 1)) + source.random((3, 2, *shape)))
        chips.append((np.where(valid, image, -9999), valid))
    total = reduce(merge_moments, [compute_moments(*chip) for chip in chips])
    values = np.concatenate([image[:, valid] for image, valid in chips], axis=1)
    assert total.count == values.shape[1]
    assert total.pixels == sum(valid.size for _, valid in chips)
    if total.count:
        assert_allclose(total.mean, values.mean(1), rtol=1e-9)
        assert_allclose(total.std, values.std(1), rtol=1e-9, atol=1e-12 * unit)


@pytest.mark.parametrize(
    ("counts", "weights"),
    [
        ([3, 1], [2 / 3, 2]),
        ([5, 5], [1, 1]),
        ([4, 0], [0.5, 0]),
        ([1, 2, 3], [2, 1, 2 / 3]),
        ([10**12, 10**12], [1, 1]),
    ],
)
def test_class_weights_by_hand(counts, weights):
    assert_allclose(compute_class_weights(counts), weights)


@pytest.fixture
def table(make_raster, tmp_path):
    """Function that writes chips (values, label) and gives a run of `mode=stats` on them."""

    def make(*pairs, ignore_index=-1, **data):
        lines = ["Input,Label"]
        for number, (values, label) in enumerate(pairs):
            make_raster(f"{number}.tif", np.asarray(values, dtype=np.int16))
            make_raster(f"{number}_label.tif", np.asarray(label, dtype=np.int16))
            lines.append(f"{number}.tif,{number}_label.tif")
        (tmp_path / "train.csv").write_text("\n".join(lines))
        settings = Settings(
            root_dir=str(tmp_path),
            train_filepath="train.csv",
            train=TrainSettings(ignore_index=ignore_index),
            model=ModelSettings(num_classes=2),
            dataloader=DataSettings(**{"mean": [0], "std": [1], **data}),
        )
        return Run(settings, tmp_path)

    return make


@pytest.mark.parametrize("ignore_index", [-1, 255])
def test_one_line_of_json_by_hand(table, capsys, tmp_path, ignore_index):  # pitfalls 9, 10, 11, 16
    run = table(
        ([[0, 0, -9999]], [[0, 0, 1]]),
        ([[10, -9999], [10, -9999]], [[1, ignore_index], [0, 0]]),
        ignore_index=ignore_index,
        constant_multiplier=0.1,
    )
    stats(run)
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "stats.json").read_text()
    assert printed.count("\n") == 1
    result = json.loads(printed)
    assert_allclose(result.pop("mean"), [0.5], rtol=1e-6)
    assert_allclose(result.pop("std"), [0.5], rtol=1e-6)
    assert_allclose(result.pop("class_weights"), [2 / 3, 2])  # three pixels of class 0, one of class 1
    assert_allclose(result.pop("class_weights_sqrt"), [4 / (1 + 3**0.5) / 3**0.5, 4 / (1 + 3**0.5)])
    assert_allclose(result.pop("class_weights_effective"), [16 / 19, 28 / 19])  # effective numbers 7/4 and 1
    assert result == {"class_counts": [3, 1], "valid_fraction": 4 / 7}


def test_bands_are_counted_over_all_dates(table, capsys):  # pitfall 17
    layers = np.array([1, 10, 3, 30])[:, None, None]  # two bands at two dates
    stats(table((layers, [[0]]), temporal_dim=2, mean=[0, 0], std=[1, 1]))
    result = json.loads(capsys.readouterr().out)
    assert (result["mean"], result["std"]) == ([2, 20], [1, 10])


def test_a_table_of_no_data_is_refused(table):  # pitfall 21
    with pytest.raises(DataError, match="no valid pixel"):
        stats(table(([[-9999]], [[0]])))


@pytest.mark.parametrize("name", ["root_dir", "train_filepath"])
def test_what_is_needed_is_named(tmp_path, name):
    given = {"root_dir": str(tmp_path), "train_filepath": "train.csv", name: None}
    with pytest.raises(ConfigError, match=name):
        stats(Run(Settings(**given), tmp_path))
