"""Position embeddings, by hand."""

import torch

from instageo.model.backbones.position import CoordinateEmbedding, sincos_3d


def test_position_embedding_by_hand():
    grid = sincos_3d(16, 2, 1, 2)[0]
    assert grid.shape == (5, 16)
    assert not grid[0].any()  # class token
    # embed_dim 16: 6 channels of the column (3 sines, 3 cosines), 6 of the row, 4 of the date
    sines = torch.sin(torch.tensor([1.0, 10000 ** (-1 / 3), 10000 ** (-2 / 3)]))
    torch.testing.assert_close(grid[2, :3], sines)  # second patch: column 1, row 0, date 0
    assert grid[2, 6:9].tolist() == [0, 0, 0]
    torch.testing.assert_close(grid[3, 12:14], torch.sin(torch.tensor([1.0, 0.01])))  # third patch: date 1


def test_coordinates_are_embedded_at_the_scale_and_nan_gives_zeros():
    embedding = CoordinateEmbedding(8)
    pairs = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[1.0, float("nan")], [0.0, 2.0]]])
    tokens = embedding(pairs).detach()
    first = torch.sin(torch.tensor([1.0, 0.01]))
    torch.testing.assert_close(tokens[0, 0, :2], 0.1 * first)  # sines of the first number
    torch.testing.assert_close(tokens[0, 1, 4:6], 0.1 * torch.sin(torch.tensor([2.0, 0.02])))  # and of the second
    assert not tokens[1].any()
