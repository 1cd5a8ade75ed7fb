"""Chips as tensors: whole for scoring, in repeatable random windows for training."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from instageo.model.chips.image import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat
from instageo.model.chips.sample import Sample, stack_samples
from instageo.model.dataset.datasets import (
    RandomCropDataset,
    WholeChipDataset,
    eval_loader,
    make_loader,
    pad_sample,
    random_crop,
)
from instageo.model.dataset.sampler import EpochSampler
from instageo.table import Row
from tests.sources import load_sample, source_of

CHIPS, LABELS = ChipFormat(no_data_value=-9999), LabelFormat(num_classes=10_000, ignore_index=-1)


@pytest.fixture
def rows(make_raster):
    """Five chips of mixed sizes; pixel and label both hold 1000 x chip + position."""
    made = []
    for number, (height, width) in enumerate([(8, 8), (5, 9), (3, 3), (8, 8), (1, 12)]):
        values = (1000 * number + np.arange(height * width)).reshape(height, width).astype(np.int16)
        path = make_raster(f"{number}/chip.tif", values)
        made.append(Row(f"{number}/chip.tif", str(path), str(path)))
    return made


def same(first, second):
    return all(torch.equal(getattr(first, part), getattr(second, part)) for part in ("image", "valid", "label"))


def test_every_epoch_visits_every_row_once_in_a_new_order():
    sampler = EpochSampler(20, seed=3)
    epochs = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        epochs.append(list(sampler))
    for items in epochs:
        assert sorted(index for _, index in items) == list(range(20))
        assert len({seed for seed, _ in items}) == 1
    assert len({items[0][0] for items in epochs}) == 3
    assert len({tuple(index for _, index in items) for items in epochs}) == 3


def test_an_epoch_depends_on_seed_and_number_alone():
    def visited(seed):
        sampler = EpochSampler(20, seed)
        sampler.set_epoch(7)
        return list(sampler)

    assert visited(3) == visited(3)
    assert visited(3) != visited(4)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 3))
def test_processes_share_the_rows(length, processes, epoch):
    shares = []
    for rank in range(processes):
        sampler = EpochSampler(length, 3, rank=rank, processes=processes)
        sampler.set_epoch(epoch)
        shares.append(list(sampler))
        assert len(shares[-1]) == len(sampler) == -(-length // processes)
    visits = np.bincount([index for share in shares for _, index in share], minlength=length)
    assert visits.min() >= 1
    assert visits.sum() < length + processes
    assert len({seed for share in shares for seed, _ in share}) == 1


sides = st.integers(1, 12)


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.integers(1, 2), st.integers(0, 99))
def test_a_window_has_the_wanted_size_and_keeps_pixels_together(chip, size, dates, seed):  # pitfall 16
    numbers = torch.arange(chip[0] * chip[1]).view(chip)
    sample = Sample(numbers.float().expand(3, dates, *chip), torch.ones(dates, *chip, dtype=torch.bool), numbers)
    place = random_crop(chip, size, np.random.default_rng(seed))
    window = pad_sample(sample.window(*place), size, -1)
    assert window.image.shape == (3, dates, *size)
    assert window.valid.shape == (dates, *size)
    assert window.label.shape == size
    inside = window.valid.all(0)
    assert torch.equal(inside, window.valid.any(0))
    assert inside.sum() == min(chip[0], size[0]) * min(chip[1], size[1])
    assert torch.equal(inside, window.label >= 0)
    for layer in window.image.flatten(0, 1):
        assert torch.equal(layer[inside], window.label[inside].float())
    columns = window.label[0][inside[0]]
    assert torch.equal(columns, columns[0] + torch.arange(len(columns)))


def test_a_window_reaches_every_place():
    rng = np.random.default_rng(0)
    drawn = [random_crop((2, 2), (1, 1), rng) for _ in range(200)]
    assert {(rows.start, columns.start) for rows, columns in drawn} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert all((rows.stop - rows.start, columns.stop - columns.start) == (1, 1) for rows, columns in drawn)


def test_padding_by_hand():  # pitfalls 6, 9, 16
    sample = Sample(torch.full((1, 1, 1, 2), 5.0), torch.ones(1, 1, 2, dtype=torch.bool), torch.tensor([[1, 0]]))
    window = pad_sample(sample, (2, 3), 255)
    assert window.valid.tolist() == [[[True, True, False], [False, False, False]]]
    assert window.label.tolist() == [[1, 0, 255], [255, 255, 255]]
    assert window.image[0, 0].tolist() == [[5, 5, 0], [0, 0, 0]]


@pytest.mark.parametrize("ignore_index", [-1, 255])
def test_a_label_counts_where_a_date_is_valid(make_raster, ignore_index):  # pitfall 6
    values = np.array([[[-9999, -9999, 3]], [[-9999, 3, 3]]], dtype=np.int16)
    truth = make_raster("label.tif", np.ones((1, 3), np.uint8))
    row = Row("chip.tif", str(make_raster("chip.tif", values)), str(truth))
    form = ChipFormat(temporal_dim=2, no_data_value=-9999)
    sample = load_sample(row, form, LabelFormat(2, ignore_index))
    assert sample.label.tolist() == [[ignore_index, 1, 1]]
    assert sample.valid[:, 0].tolist() == [[False, False, True], [False, True, True]]


def test_rows_without_a_label_have_none(rows):  # pitfall 7
    assert load_sample(Row("0", rows[0].input, None), CHIPS, LABELS).label is None
    assert load_sample(rows[0], CHIPS, None).label is None


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_scoring_sees_every_pixel_of_every_chip_once(rows, shards):  # pitfalls 1, 16, 20
    data = WholeChipDataset(source_of(rows, CHIPS, LABELS))
    seen = []
    for rank in range(shards):
        for samples in eval_loader(data, 2, 0, (rank, shards)):
            assert len(samples) <= 2
            seen += [sample.label.flatten() for sample in samples]
    counted = torch.cat(seen).sort().values
    expected = torch.cat([data[number].label.flatten() for number in range(len(data))]).sort().values
    assert len(counted) == 64 + 45 + 9 + 64 + 12
    assert torch.equal(counted, expected)


def test_scoring_keeps_the_order_of_the_table(rows):
    samples = [
        sample for batch in eval_loader(WholeChipDataset(source_of(rows, CHIPS, LABELS)), 3, 0) for sample in batch
    ]
    assert [int(sample.image[0, 0, 0, 0]) // 1000 for sample in samples] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("epoch", [0, 5])
def test_workers_draw_the_same_windows_as_one_process(rows, epoch):
    data = RandomCropDataset(source_of(rows, CHIPS, LABELS), (4, 6), -1)

    def batches(workers):
        sampler = EpochSampler(len(data), seed=11)
        sampler.set_epoch(epoch)
        return list(make_loader(data, sampler, 2, workers, stack_samples))

    alone, shared = batches(0), batches(2)
    assert [len(batch.image) for batch in alone] == [2, 2, 1]
    assert all(same(first, second) for first, second in zip(alone, shared, strict=True))


def test_windows_change_with_the_epoch(rows):
    data = RandomCropDataset(source_of(rows[:1], CHIPS, LABELS), (2, 2), -1)
    assert len({int(data[seed, 0].label[0, 0]) for seed in range(50)}) > 10
    assert same(data[3, 0], data[3, 0])


def test_chips_of_one_batch_are_drawn_apart(rows):
    data = RandomCropDataset(source_of([rows[0]] * 20, CHIPS, LABELS), (2, 2), -1)
    assert len({int(data[0, index].label[0, 0]) for index in range(20)}) > 5


def test_stacking_by_hand():
    one = Sample(torch.ones(2, 1, 3, 3), torch.ones(1, 3, 3, dtype=torch.bool), torch.zeros(3, 3, dtype=torch.long))
    batch = stack_samples([one, one])
    assert batch.image.shape == (2, 2, 1, 3, 3)
    assert batch.valid.shape == (2, 1, 3, 3)
    assert batch.label.shape == (2, 3, 3)
    assert stack_samples([Sample(one.image, one.valid)]).label is None
