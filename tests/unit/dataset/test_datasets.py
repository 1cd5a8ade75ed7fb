"""Datasets of chips: whole for scoring, in repeatable random crops for training."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat
from instageo.model.chips.sample import Sample, stack_samples
from instageo.model.dataset.datasets import (
    RandomCropDataset,
    WholeChipDataset,
    build_eval_loader,
    build_loader,
    draw_window,
    pad_sample,
)
from instageo.model.dataset.sampler import EpochSampler
from instageo.table import Row
from tests.readers import reader_of

CHIPS, LABELS = ChipFormat(no_data_value=-9999), LabelFormat(num_classes=10_000, ignore_index=-1)


@pytest.fixture
def rows(make_raster):
    """Write five chips of mixed sizes; pixels and labels are 1000 x chip + position."""
    made = []
    for number, (height, width) in enumerate([(8, 8), (5, 9), (3, 3), (8, 8), (1, 12)]):
        values = (1000 * number + np.arange(height * width)).reshape(height, width).astype(np.int16)
        path = make_raster(f"{number}/chip.tif", values)
        made.append(Row(f"{number}/chip.tif", str(path), str(path)))
    return made


def same(first, second):
    return all(torch.equal(getattr(first, part), getattr(second, part)) for part in ("image", "valid", "label"))


sides = st.integers(1, 12)


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.integers(1, 2), st.integers(0, 99))
def test_a_crop_has_the_requested_size_and_keeps_image_and_label_together(shape, crop_size, dates, seed):  # pitfall 16
    numbers = torch.arange(shape[0] * shape[1]).view(shape)
    sample = Sample(numbers.float().expand(3, dates, *shape), torch.ones(dates, *shape, dtype=torch.bool), numbers)
    window = draw_window(shape, crop_size, np.random.default_rng(seed))
    crop = pad_sample(sample.crop(*window), crop_size, -1)
    assert crop.image.shape == (3, dates, *crop_size)
    assert crop.valid.shape == (dates, *crop_size)
    assert crop.label.shape == crop_size
    inside = crop.valid.all(0)
    assert torch.equal(inside, crop.valid.any(0))
    assert inside.sum() == min(shape[0], crop_size[0]) * min(shape[1], crop_size[1])
    assert torch.equal(inside, crop.label >= 0)
    for layer in crop.image.flatten(0, 1):
        assert torch.equal(layer[inside], crop.label[inside].float())
    columns = crop.label[0][inside[0]]
    assert torch.equal(columns, columns[0] + torch.arange(len(columns)))


def test_windows_reach_every_position():
    rng = np.random.default_rng(0)
    drawn = [draw_window((2, 2), (1, 1), rng) for _ in range(200)]
    assert {(rows.start, columns.start) for rows, columns in drawn} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert all((rows.stop - rows.start, columns.stop - columns.start) == (1, 1) for rows, columns in drawn)


def test_padding_by_hand():  # pitfalls 6, 9, 16
    sample = Sample(torch.full((1, 1, 1, 2), 5.0), torch.ones(1, 1, 2, dtype=torch.bool), torch.tensor([[1, 0]]))
    padded = pad_sample(sample, (2, 3), 255)
    assert padded.valid.tolist() == [[[True, True, False], [False, False, False]]]
    assert padded.label.tolist() == [[1, 0, 255], [255, 255, 255]]
    assert padded.image[0, 0].tolist() == [[5, 5, 0], [0, 0, 0]]


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_scoring_reads_every_pixel_of_every_chip_once(rows, world_size):  # pitfalls 1, 16, 20
    dataset = WholeChipDataset(reader_of(rows, CHIPS, LABELS))
    labels = []
    for rank in range(world_size):
        for samples in build_eval_loader(dataset, 2, 0, rank=rank, world_size=world_size):
            assert len(samples) <= 2
            labels += [sample.label.flatten() for sample in samples]
    counted = torch.cat(labels).sort().values
    expected = torch.cat([dataset[number].label.flatten() for number in range(len(dataset))]).sort().values
    assert len(counted) == 64 + 45 + 9 + 64 + 12
    assert torch.equal(counted, expected)


def test_scoring_keeps_the_order_of_the_table(rows):
    loader = build_eval_loader(WholeChipDataset(reader_of(rows, CHIPS, LABELS)), 3, 0)
    samples = [sample for batch in loader for sample in batch]
    assert [int(sample.image[0, 0, 0, 0]) // 1000 for sample in samples] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("epoch", [0, 5])
def test_workers_draw_the_same_crops_as_one_process(rows, epoch):
    dataset = RandomCropDataset(reader_of(rows, CHIPS, LABELS), (4, 6), -1)

    def batches(num_workers):
        sampler = EpochSampler(len(dataset), seed=11)
        sampler.set_epoch(epoch)
        return list(build_loader(dataset, sampler, 2, num_workers, stack_samples))

    alone, shared = batches(0), batches(2)
    assert [len(batch.image) for batch in alone] == [2, 2, 1]
    assert all(same(first, second) for first, second in zip(alone, shared, strict=True))


def test_crops_change_with_the_seed(rows):
    dataset = RandomCropDataset(reader_of(rows[:1], CHIPS, LABELS), (2, 2), -1)
    assert len({int(dataset[seed, 0].label[0, 0]) for seed in range(50)}) > 10
    assert same(dataset[3, 0], dataset[3, 0])


def test_chips_of_one_batch_are_cropped_independently(rows):
    dataset = RandomCropDataset(reader_of([rows[0]] * 20, CHIPS, LABELS), (2, 2), -1)
    assert len({int(dataset[0, index].label[0, 0]) for index in range(20)}) > 5
