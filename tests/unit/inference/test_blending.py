"""Averages over overlapping tiles: those of the definition, with memory for one row of tiles; each pixel counts."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from instageo.errors import DataError
from instageo.model.chips.sample import Sample
from instageo.model.inference.blending import (
    NonFiniteOutputError,
    RollingSum,
    compute_ramp,
    predict_images,
    predict_tiles,
    sum_of_ramps,
    tile_ramp,
)
from instageo.model.inference.tiling import TileAxis, Tiling
from instageo.model.tasks.segmentation import Segmentation


def identity(batch):
    """A network whose logits are the first date's bands."""
    return batch.image[:, :, 0]


def blank(*sides):
    return torch.zeros(1, 1, *sides), torch.ones(1, *sides, dtype=torch.bool)


def predict(forward, images, tiling):
    samples = [Sample(image, torch.ones(image.shape[1:], dtype=torch.bool)) for image in images]
    return predict_images(forward, samples, tiling)


sizes = st.integers(1, 30)


@given(st.lists(st.tuples(sizes, sizes), min_size=1, max_size=3), st.integers(1, 12), st.integers(1, 5), st.data())
def test_an_identity_network_returns_the_image(shapes, tile, batch_size, data):  # pitfalls 2, 16, 20
    stride = data.draw(st.integers(1, tile))
    images = [torch.arange(2.0 * height * width).view(2, 1, height, width) for height, width in shapes]
    outputs = predict(identity, images, Tiling(tile, stride, batch_size))
    for image, output in zip(images, outputs, strict=True):
        assert output.dtype == torch.float32
        assert_allclose(output, image[:, 0], rtol=1e-5, atol=1e-5)


def test_two_tiles_are_blended():
    """Tiles of 3 on 4 pixels predict 0 and 1; on the two they share they count 3/4 and 1/4, and the reverse."""
    image = torch.arange(4.0).view(1, 1, 1, 4)

    def forward(batch):
        return batch.image[:, :, 0, :, :1].expand(-1, -1, 1, 3)  # each tile predicts its first pixel

    [output] = predict(forward, [image], Tiling(tile=3, stride=1))
    assert_allclose(output.flatten(), [0, 1 / 4, 3 / 4, 1], rtol=1e-6)


@pytest.mark.parametrize(("sides", "expected"), [((5, 7), (5, 7)), ((5, 20), (5, 8)), ((20, 20), (8, 8))])
def test_no_tile_is_larger_than_the_image_or_the_tile_size(sides, expected):  # pitfall 16
    sizes_of_tiles = set()

    def forward(batch):
        assert batch.image.shape[-2:] == batch.valid.shape[-2:]
        sizes_of_tiles.add(tuple(batch.image.shape[-2:]))
        return batch.image[:, :, 0]

    predict(forward, [blank(*sides)[0]], Tiling(8, 4))
    assert sizes_of_tiles == {expected}


def test_valid_masks_stay_with_their_pixels():  # pitfall 6
    images = [torch.arange(48.0).view(1, 1, 6, 8), torch.arange(35.0).view(1, 1, 5, 7)]
    valids = [image[:, 0].remainder(3) > 0 for image in images]

    def forward(batch):
        assert torch.equal(batch.valid, batch.image[:, 0].remainder(3) > 0)
        return batch.valid.float()

    outputs = predict_images(forward, list(map(Sample, images, valids)), Tiling(4, 3, 2))
    assert all(torch.equal(output > 0.5, valid) for output, valid in zip(outputs, valids, strict=True))


def test_every_tile_has_the_coordinates_of_its_image():  # pitfall 26
    """Each pixel gets the year of its image, from any tile of any batch."""
    samples = [
        Sample(*blank(6, 6), None, torch.tensor([[year, 1.0]]), torch.tensor([0.0, year])) for year in (2020.0, 2021.0)
    ]

    def forward(batch):
        assert torch.equal(batch.temporal_coords[:, 0, 0], batch.location_coords[:, 1])
        return batch.temporal_coords[:, 0, 0].view(-1, 1, 1, 1).expand(-1, 1, 4, 4)

    for sample, output in zip(samples, predict_images(forward, samples, Tiling(4, 2, 3)), strict=True):
        assert_allclose(output, np.full((1, 6, 6), sample.location_coords[1]), rtol=1e-6)


@pytest.mark.parametrize(("batch_size", "expected"), [(1, [1] * 18), (4, [4, 4, 4, 4, 2]), (100, [18])])
def test_tiles_of_several_images_share_batches(batch_size, expected):
    lengths = []

    def forward(batch):
        lengths.append(len(batch.image))
        return batch.image[:, :, 0]

    predict(forward, [blank(8, 8)[0], blank(8, 8)[0]], Tiling(4, 2, batch_size))
    assert lengths == expected


def test_the_output_does_not_depend_on_the_batch():  # pitfall 1
    torch.manual_seed(0)
    image, net = torch.randn(2, 1, 13, 17), torch.nn.Conv2d(2, 3, 3, padding=1)

    def infer(images, batch_size):
        with torch.no_grad():
            return predict(lambda batch: net(batch.image[:, :, 0]), images, Tiling(6, 4, batch_size))

    [alone], several = infer([image], 1), infer([image, torch.randn(2, 1, 9, 6), image], 5)
    assert_allclose(several[0], alone, rtol=1e-5, atol=1e-6)
    assert_allclose(several[2], alone, rtol=1e-5, atol=1e-6)
    assert several[1].shape == (3, 9, 6)
    assert torch.equal(infer([image], 1)[0], alone)


def test_batches_in_advance_are_computed_side_by_side_and_change_nothing():
    together = threading.Barrier(2, timeout=60)

    def forward(batch):
        together.wait()  # until another batch is computed at the same time
        return batch.image[:, :, 0]

    images = [Sample(torch.rand(2, 1, 8, 8), torch.ones(1, 8, 8, dtype=torch.bool)) for _ in range(2)]
    tiling = Tiling(4, 2, 3)  # 18 tiles in 6 batches
    for ahead, alone in zip(
        predict_tiles(forward, images, tiling, 2), predict_tiles(identity, images, tiling), strict=True
    ):
        assert torch.equal(ahead.values, alone.values)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_blended_in_full(kind):
    [output] = predict(lambda batch: batch.image[:, :, 0].to(kind), [blank(9, 9)[0] + 0.5], Tiling(4, 1))
    assert output.dtype == torch.float32
    assert_allclose(output, np.full((1, 9, 9), 0.5), rtol=1e-6)


def test_no_images_give_no_outputs():
    assert predict(identity, [], Tiling(4, 2)) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_output_that_is_not_finite_is_refused(value):
    image = torch.zeros(3, 1, 4, 6)
    image[1, 0, 2, 5] = value
    with pytest.raises(DataError, match="not a number"):
        predict(identity, [image], Tiling(4, 2))


@pytest.mark.parametrize("batch_size", [1, 3, 100])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_image_whose_output_is_not_finite_is_named(index, batch_size):
    images = [torch.zeros(3, 1, 4, 6) for _ in range(3)]
    images[index][1, 0, 2, 5] = float("nan")
    with pytest.raises(NonFiniteOutputError) as error:
        predict(identity, images, Tiling(4, 2, batch_size))
    assert error.value.index == index


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_one_output_per_chip_is_the_mean_over_its_tiles(batch_size):
    """Four tiles of 2 x 2 with the means 1, 2, 3 and 6; the second image is one tile."""
    image = torch.tensor([[1.0, 2], [3, 6]]).repeat_interleave(2, 0).repeat_interleave(2, 1)[None, None]

    def forward(batch):
        return batch.image[:, :, 0].mean((-2, -1), keepdim=True) * torch.tensor([1.0, 10]).view(1, 2, 1, 1)

    first, second = predict(forward, [image, image[..., :2, :2]], Tiling(2, 2, batch_size))
    assert first.shape == second.shape == (2, 1, 1)
    assert first.flatten().tolist() == [3, 30]
    assert second.flatten().tolist() == [1, 10]


def average_by_definition(outputs, rows, columns):
    """Sum of weights times outputs over the sum of weights, in float32 in the order of the tiles."""
    total = np.zeros((outputs[0, 0].shape[0], rows.length, columns.length), np.float32)
    for (row, column), values in outputs.items():
        weights = tile_ramp(rows, row).numpy()[:, None] * tile_ramp(columns, column).numpy()
        total[:, rows.window(row), columns.window(column)] += values.numpy() * weights
    sums = [np.zeros(axis.length, np.float32) for axis in (rows, columns)]
    for ramps, axis in zip(sums, (rows, columns), strict=True):
        for index in range(len(axis.starts)):
            ramps[axis.window(index)] += tile_ramp(axis, index).numpy()
    return total / (sums[0][:, None] * sums[1])


@given(sizes, sizes, st.integers(1, 12), st.data())
def test_rolling_sums_are_the_average_bit_for_bit(height, width, tile, data):
    """In every panel of columns, and also if they begin at a later row."""
    stride = data.draw(st.integers(1, tile))
    rows, columns = TileAxis(height, tile, stride), TileAxis(width, tile, stride)
    generator = torch.Generator().manual_seed(height * 1000 + width)
    outputs = {
        (row, column): torch.rand(3, rows.size, columns.size, generator=generator)
        for row in range(len(rows.starts))
        for column in range(len(columns.starts))
    }
    expected = average_by_definition(outputs, rows, columns)
    first_row, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    window = slice(left, data.draw(st.integers(left + 1, width)))
    rolling = RollingSum(3, rows, columns, first_row=first_row, window=window)
    parts = []
    for row, start in enumerate(rows.starts):
        if start + rows.size <= first_row:
            continue
        for column in range(len(columns.starts)):
            span = columns.window(column)
            if span.start < window.stop and span.stop > window.start:
                rolling.add(outputs[row, column], row, column)
        done = rows.starts[row + 1] if row + 1 < len(rows.starts) else height
        if done > rolling.row:
            parts.append(rolling.pop(done))
    assert np.array_equal(torch.cat(parts, dim=1).numpy(), expected[:, first_row:, window])


def test_probabilities_are_averaged_and_not_logits():
    """Two tiles with the probabilities 0.9 and 0.2 of the second class, on the pixel in the middle of both."""
    image = torch.tensor([[0.9, 0.5, 0.2]]).view(1, 1, 1, 3)

    def forward(batch):
        p = (
            batch.image[:, :, 0].amax((-2, -1), keepdim=True)
            if batch.image.max() > 0.5
            else batch.image[:, :, 0] * 0 + 0.2
        )
        p = p.expand(-1, -1, 1, 2)
        return torch.cat([(1 - p).log(), p.log()], dim=1)

    tiling = Tiling(2, 1, 1, Segmentation(("dry", "wet")))
    sample = Sample(image, torch.ones(1, 1, 3, dtype=torch.bool))
    [logits] = predict_images(forward, [sample], tiling)
    assert_allclose(logits.softmax(0)[1], [[0.9, 0.55, 0.2]], rtol=1e-5)


def test_a_single_tile_keeps_the_output_of_the_network():
    image = torch.randn(2, 1, 4, 4)
    sample = Sample(image, torch.ones(1, 4, 4, dtype=torch.bool))
    [logits] = predict_images(identity, [sample], Tiling(4, 2, 1, Segmentation(("dry", "wet"))))
    assert torch.equal(logits, image[:, 0])


def test_a_ramp_rises_over_the_overlap():
    assert compute_ramp(5, 2, True, True).tolist() == [0.25, 0.75, 1, 0.75, 0.25]
    assert compute_ramp(5, 2, False, True).tolist() == [1, 1, 1, 0.75, 0.25]
    assert compute_ramp(5, 2, True, False).tolist() == [0.25, 0.75, 1, 1, 1]
    assert compute_ramp(3, 0, True, True).tolist() == [1, 1, 1]
    assert_allclose(compute_ramp(2, 2, True, True), [0.25 * 0.75, 0.75 * 0.25])


@given(sizes, sizes, st.data())
def test_every_pixel_counts(length, tile, data):
    axis = TileAxis(length, tile, data.draw(st.integers(1, tile)))
    assert (sum_of_ramps(axis) > 0).all()
    assert (sum_of_ramps(axis) >= 1e-4).all()
    if len(axis.starts) == 1:
        assert sum_of_ramps(axis).tolist() == [1] * length


def test_neighbours_share_all_of_the_weight():
    """Tiles of 8 with 4 in common, on 20 pixels: the ramps add up to 1 everywhere."""
    assert sum_of_ramps(TileAxis(20, 8, 4)).tolist() == [1] * 20
