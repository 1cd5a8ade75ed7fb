"""Tiles cover every pixel, and their blend is the network's own output."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from instageo.errors import DataError
from instageo.model.chips.sample import Sample
from instageo.model.inference.tiling import (
    NonFiniteOutputError,
    Tiling,
    compute_blend_weights,
    compute_tile_starts,
    predict_images,
)


def identity(batch):
    """A network whose logits are the first date's bands."""
    return batch.image[:, :, 0]


def blank(*sides):
    return torch.zeros(1, 1, *sides), torch.ones(1, *sides, dtype=torch.bool)


def predict(forward, images, tiling):
    samples = [Sample(image, torch.ones(image.shape[1:], dtype=torch.bool)) for image in images]
    return predict_images(forward, samples, tiling)


@pytest.mark.parametrize(
    ("length", "tile", "stride", "expected"),
    [
        (1, 4, 2, [0]),
        (4, 4, 2, [0]),
        (5, 4, 2, [0, 1]),
        (8, 4, 4, [0, 4]),
        (9, 4, 4, [0, 4, 5]),
        (10, 4, 3, [0, 3, 6]),
        (256, 224, 112, [0, 32]),  # pitfall 20: 224 of 256 alone are 76 % of the pixels
    ],
)
def test_tile_starts(length, tile, stride, expected):
    assert compute_tile_starts(length, tile, stride) == expected


sizes = st.integers(1, 30)


@given(sizes, sizes, st.data())
def test_tile_starts_cover_the_length(length, tile, data):  # pitfall 20
    stride = data.draw(st.integers(1, tile))
    first = compute_tile_starts(length, tile, stride)
    covered = {pixel for start in first for pixel in range(start, min(start + tile, length))}
    assert covered == set(range(length))
    assert len(set(first)) == len(first)
    assert max(np.diff(first), default=0) <= stride
    assert first[-1] + tile == length or first == [0]


@given(st.lists(st.tuples(sizes, sizes), min_size=1, max_size=3), st.integers(1, 12), st.integers(1, 5), st.data())
def test_an_identity_network_returns_the_image(shapes, tile, batch_size, data):  # pitfalls 2, 16, 20
    stride = data.draw(st.integers(1, tile))
    images = [torch.arange(2.0 * height * width).view(2, 1, height, width) for height, width in shapes]
    outputs = predict(identity, images, Tiling(tile, stride, batch_size))
    for image, output in zip(images, outputs, strict=True):
        assert output.dtype == torch.float32
        assert_allclose(output, image[:, 0], rtol=1e-5, atol=1e-5)


def test_blend_weights():
    assert compute_blend_weights(1, 1).tolist() == [[1]]
    assert compute_blend_weights(3, 1).flatten().tolist() == [0.5, 1, 0.5]
    assert_allclose(compute_blend_weights(2, 3), [[1 / 3, 2 / 3, 1 / 3], [1 / 3, 2 / 3, 1 / 3]], rtol=1e-6)
    assert (compute_blend_weights(224, 224) > 0).all()


def test_two_tiles_are_blended():
    """Tiles of 3 on 4 pixels predict 0 and 1; their weights are 1/2, 1, 1/2."""
    image = torch.arange(4.0).view(1, 1, 1, 4)

    def forward(batch):
        return batch.image[:, :, 0, :, :1].expand(-1, -1, 1, 3)  # each tile predicts its first pixel

    [output] = predict(forward, [image], Tiling(tile=3, stride=1))
    assert_allclose(output.flatten(), [0, 1 / 3, 2 / 3, 1], rtol=1e-6)


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


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_logits_are_blended_in_full(kind):
    [output] = predict(lambda batch: batch.image[:, :, 0].to(kind), [blank(9, 9)[0] + 0.5], Tiling(4, 1))
    assert output.dtype == torch.float32
    assert_allclose(output, np.full((1, 9, 9), 0.5), rtol=1e-6)


def test_no_images_give_no_outputs():
    assert predict(identity, [], Tiling(4, 2)) == []


@pytest.mark.parametrize(("tile", "stride"), [(4, 5), (4, 0), (4, -1), (0, 0)])
def test_gaps_are_refused(tile, stride):
    with pytest.raises(ValueError, match=f"stride {stride} is not in 1..{tile}"):
        Tiling(tile, stride)


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


def test_tiles_of_eight_are_predicted_at_a_time_unless_told():
    assert Tiling(1, 1).batch_size == 8
