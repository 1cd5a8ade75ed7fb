"""What settings leave to the training table."""

from dataclasses import replace

import numpy as np
import pytest

from instageo.errors import DataError
from instageo.model.check import TableReport
from instageo.model.facts import RowFacts
from instageo.model.fitting import measured
from instageo.model.moments import moments
from instageo.model.settings import DataSettings, Settings, TrainSettings
from instageo.table import Row


def report(*bands):
    """One chip with these values in each band, three pixels of class 0 and one of class 1."""
    values = np.array(bands, dtype=np.float32)
    facts = RowFacts(len(bands), 2, 2, class_counts=(3, 1), values=moments(values, np.ones(4, bool)))
    return TableReport((Row("chip.tif", "chip.tif", "label.tif"),), (facts,))


def test_statistics_and_weights_of_the_table_by_hand():
    data, train = DataSettings(mean="auto", std="auto", band_names=["RED", "BLUE"]), TrainSettings(class_weights="auto")
    found = measured(Settings(dataloader=data, train=train), report([0, 0, 2, 2], [5, 5, 5, 9]))
    assert found.dataloader.mean == [1, 6]
    assert found.dataloader.std == [1, 3**0.5]
    assert found.train.class_weights == pytest.approx([2 / 3, 2])


def test_what_is_told_stays():
    told = Settings(dataloader=DataSettings(mean=[3], std=[4]), train=TrainSettings(class_weights=[1, 5]))
    assert measured(told, report([0, 0, 2, 2])) == told


def test_a_constant_band_is_named():
    settings = Settings(dataloader=DataSettings(mean="auto", band_names=["RED", "BLUE"]), train_filepath="train.csv")
    with pytest.raises(DataError, match=r"train\.csv: BLUE has one value alone in all chips"):
        measured(settings, report([0, 0, 2, 2], [7, 7, 7, 7]))
    assert measured(replace(settings, dataloader=DataSettings(mean=[1, 1], std=[1, 1])), report([7] * 4, [7] * 4))
