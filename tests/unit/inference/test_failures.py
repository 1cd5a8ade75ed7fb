"""One chip that cannot be predicted does not stop the others, whatever the reason, and is named."""

import numpy as np
import pytest
import torch

from instageo.errors import DataError, OutOfMemoryError
from instageo.model.commands.evaluate import score
from instageo.model.inference.batch import PredictionItem, predict_items
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.row_stats import RowStats
from instageo.runtime import memory
from instageo.table import Row
from tests.unit.small_predictor import small_predictor


@pytest.fixture
def predictor():
    return small_predictor(batch_size=1)


@pytest.fixture
def items(make_raster, tmp_path):
    """Three chips of the values 900, 1000 and 1100, and where their maps go."""
    made = []
    for number in range(3):
        path = make_raster(f"{number}.tif", np.full((6, 32, 32), 900 + 100 * number, np.float32))
        made.append(PredictionItem(Row(path.name, str(path), None), tmp_path / "maps" / path.name))
    return made


def fail_for_second(net, failure):
    """Let a network fail for the chip whose normalised values are 0; the others are -0.2 and 0.2."""

    def hook(_, inputs, outputs):
        return failure(outputs) if not inputs[0].any() else outputs

    net.register_forward_hook(hook)


def not_a_number(outputs):
    return outputs * torch.nan


def numpy_allocation(outputs):
    return np.zeros(1 << 60, np.uint8)


def torch_allocation(outputs):
    return torch.zeros(1 << 58)


def cuda_allocation(outputs):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total of 8 GiB.")


@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (not_a_number, "the network's output is not a number"),
        (numpy_allocation, "not enough memory (Unable to allocate 1.00 EiB"),
        (torch_allocation, "not enough memory ("),
        (cuda_allocation, "not enough memory (CUDA out of memory. Tried to allocate 20.00 GiB"),
    ],
)
def test_a_failing_network_fails_for_one_chip(failure, reason, ahead, predictor, items):  # pitfalls 85, 88
    fail_for_second(predictor.net, failure)
    outcomes = list(predict_items(predictor, items, ahead))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert [outcome.input for outcome in outcomes] == [item.row.input for item in items]
    assert reason in str(outcomes[1].error)
    assert [item.output.is_file() for item in items] == [True, False, True]


@pytest.mark.slow
def test_an_image_that_does_not_fit_into_memory_is_not_read(predictor, items, make_raster, monkeypatch):
    large = make_raster("1.tif", np.full((6, 320, 320), 1000, np.float32))
    # per pixel: 6 layers x (4 stored + 1 mask + 4 image) bytes and 4 copies of 2 outputs x 4 bytes = 86 bytes
    monkeypatch.setattr(memory, "SMALL_BYTES", 0)
    monkeypatch.setattr(memory, "available_memory", lambda: 86 * 320 * 320 - 1)
    outcomes = list(predict_items(predictor, items, 0))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert outcomes[1].error.startswith(
        f"{large}: predicting 320 x 320 pixels of 6 layers needs about 0.0 GB of memory"
    )
    with pytest.raises(OutOfMemoryError, match="cut the image into smaller files"):
        predictor.predict(large)
    monkeypatch.setattr(memory, "available_memory", lambda: 86 * 320 * 320)
    assert predictor.predict(large).valid.all()


def test_scoring_names_the_chip_of_which_the_output_is_no_number(predictor, items, make_raster):  # pitfall 85
    label = str(make_raster("label.tif", np.zeros((32, 32), np.uint8)))
    rows = [Row(item.row.name, item.row.input, label) for item in items]
    report = TableReport(tuple(rows), (RowStats(6, 32, 32, "float32"),) * 3)
    assert float(score(predictor, report).compute()["support_per_class"].sum()) == 3 * 32 * 32
    fail_for_second(predictor.net, not_a_number)
    with pytest.raises(DataError, match=r"^1\.tif: the network's output is not a number"):
        score(predictor, report)
