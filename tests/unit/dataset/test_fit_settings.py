"""What settings leave to the training table."""

from dataclasses import replace

import numpy as np
import pytest

from instageo.errors import DataError
from instageo.model.dataset.fit_settings import fit_statistics
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.row_stats import RowStats
from instageo.model.inspection.statistics import compute_moments
from instageo.model.settings import DataSettings, Settings, TrainSettings
from instageo.table import Row


def report(*bands):
    """One chip with these values in each band, three pixels of class 0 and one of class 1."""
    values = np.array(bands, dtype=np.float32)
    facts = RowStats(len(bands), 2, 2, class_counts=(3, 1), values=compute_moments(values, np.ones(4, bool)))
    return TableReport((Row("chip.tif", "chip.tif", "label.tif"),), (facts,))


def test_statistics_and_weights_of_the_table_by_hand():
    data, train = DataSettings(mean="auto", std="auto", band_names=["RED", "BLUE"]), TrainSettings(class_weights="auto")
    found = fit_statistics(Settings(dataloader=data, train=train), report([0, 0, 2, 2], [5, 5, 5, 9]))
    assert found.dataloader.mean == [1, 6]
    assert found.dataloader.std == [1, 3**0.5]
    assert found.train.class_weights == pytest.approx([2 / 3, 2])


def test_what_is_told_stays():
    told = Settings(dataloader=DataSettings(mean=[3], std=[4]), train=TrainSettings(class_weights=[1, 5]))
    assert fit_statistics(told, report([0, 0, 2, 2])) == told


def test_a_constant_band_is_named():
    settings = Settings(dataloader=DataSettings(mean="auto", band_names=["RED", "BLUE"]), train_filepath="train.csv")
    with pytest.raises(DataError, match=r"train\.csv: BLUE has one value alone in all chips"):
        fit_statistics(settings, report([0, 0, 2, 2], [7, 7, 7, 7]))
    assert fit_statistics(replace(settings, dataloader=DataSettings(mean=[1, 1], std=[1, 1])), report([7] * 4, [7] * 4))
