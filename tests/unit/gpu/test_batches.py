"""Chips that processes read and write and a network computes in batches are predicted as one by one; on a CPU here."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch

from instageo.errors import DataError
from instageo.model.gpu.batches import predict_on_gpu
from instageo.model.inference.batch import PredictionItem, predict_items
from instageo.raster.reading import read_raster
from instageo.table import Row
from tests.unit.small_predictor import small_predictor


@pytest.fixture
def predictor():
    return small_predictor(batch_size=16)


@pytest.fixture
def make_items(make_raster, tmp_path):
    """Return a function that lists chips of some sizes, and where their maps go in a folder."""

    def call(folder, sizes):
        items = []
        for number, size in enumerate(sizes):
            values = np.random.default_rng(number).normal(1000, 500, (6, size, size)).astype(np.float32)
            path = make_raster(f"{number}.tif", values)
            items.append(PredictionItem(Row(path.name, str(path), None), tmp_path / folder / path.name))
        return items

    return call


def differing_pixels(items, others):
    pairs = zip(items, others, strict=True)
    return sum(int((read_raster(a.output).values != read_raster(b.output).values).sum()) for a, b in pairs)


def test_chips_of_any_size_are_predicted_as_one_by_one(predictor, make_items):
    sizes = [32] * 21 + [40, 40, 20, 70] + [32] * 6
    alone, together = make_items("alone", sizes), make_items("together", sizes)
    expected = list(predict_items(predictor, alone, 0))
    outcomes = list(predict_on_gpu(predictor, together, 2))
    assert [outcome.input for outcome in outcomes] == [outcome.input for outcome in expected]
    assert [outcome.unlike_training for outcome in outcomes] == [outcome.unlike_training for outcome in expected]
    assert all(outcome.error is None and outcome.size for outcome in outcomes)
    # Kernels for several chips at a time round otherwise, which can change a pixel whose classes are equally probable.
    assert differing_pixels(alone, together) <= 5


def test_a_chip_that_cannot_be_read_does_not_stop_its_group(predictor, make_items):
    items = make_items("maps", [32] * 10)
    items[3].output.parent.mkdir()
    Path(items[3].row.input).unlink()
    outcomes = list(predict_on_gpu(predictor, items, 2))
    assert [number for number, outcome in enumerate(outcomes) if outcome.error] == [3]
    assert "no such file" in str(outcomes[3].error)
    assert [item.output.is_file() for item in items] == [number != 3 for number in range(10)]


def test_a_batch_that_fails_is_predicted_chip_by_chip(predictor, make_items):
    items = make_items("maps", [32] * 10)

    def fail_for_many(_, inputs, outputs):
        if len(inputs[0]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return outputs

    predictor.net.register_forward_hook(fail_for_many)
    outcomes = list(predict_on_gpu(predictor, items, 2))
    assert [outcome.error for outcome in outcomes] == [None] * 10
    assert all(item.output.is_file() for item in items)


def test_a_killed_process_ends_the_run_with_a_sentence(predictor, make_items):
    outcomes = predict_on_gpu(predictor, make_items("maps", [32] * 200), 2)
    next(outcomes)
    processes = multiprocessing.active_children()
    assert len(processes) == 2
    processes[0].kill()
    with pytest.raises(DataError, match="a process that read or wrote chips was killed"):
        list(outcomes)
