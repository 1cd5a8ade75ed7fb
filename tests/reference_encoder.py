"""The Prithvi encoder once more, in numpy and double precision, from what is published of it in words.

Nothing is shared with `instageo`: patches are cut by reshaping, attention is written out, angles come from a table.
"""

import math

import numpy as np


def waves(width, numbers):
    """Sines, then cosines, of each number at `width / 2` frequencies from 1 down towards 1 / 10000."""
    frequencies = np.array([10000.0 ** (-2 * k / width) for k in range(width // 2)])
    angles = np.multiply.outer(np.asarray(numbers, dtype=np.float64), frequencies)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


def place_in_chip(width, steps, rows, columns):
    """Of each patch, date by date and row by row: 6/16 of the width for its column, 6/16 its row, 4/16 its date."""
    space, time = width * 6 // 16, width * 4 // 16
    return np.array(
        [
            np.concatenate([waves(space, column), waves(space, row), waves(time, step)])
            for step in range(steps)
            for row in range(rows)
            for column in range(columns)
        ]
    )


def two_numbers(width, pair):
    """Half of the width for the first number, half for the second."""
    return np.concatenate([waves(width // 2, number) for number in pair])


def norm(tokens, weight, bias):
    centred = tokens - tokens.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias


def attention(tokens, heads, of):
    batch, count, width = tokens.shape
    mixed = tokens @ of["qkv.weight"].T + of["qkv.bias"]
    query, key, value = (part.reshape(batch, count, heads, -1) for part in np.split(mixed, 3, axis=-1))
    scores = np.einsum("bihc,bjhc->bhij", query, key) / math.sqrt(width // heads)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    heard = np.einsum("bhij,bjhc->bihc", shares, value).reshape(batch, count, width)
    return heard @ of["proj.weight"].T + of["proj.bias"]


def mlp(tokens, of):
    inside = tokens @ of["fc1.weight"].T + of["fc1.bias"]
    normal = np.reshape([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in inside.ravel()], inside.shape)
    return (inside * normal) @ of["fc2.weight"].T + of["fc2.bias"]


def below(state, name):
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


def patches(image, state):
    """Projected patches of each date, row by row; what is left over on the right and below is not seen."""
    weight = state["patch_embed.proj.weight"]
    patch = weight.shape[-1]
    batch, bands, steps, height, width = image.shape
    rows, columns = height // patch, width // patch
    cut = image[..., : rows * patch, : columns * patch].reshape(batch, bands, steps, rows, patch, columns, patch)
    seen = np.einsum("bntiyjx,cnyx->btijc", cut, weight[:, :, 0]).reshape(batch, steps * rows * columns, -1)
    return seen + state["patch_embed.proj.bias"] + place_in_chip(len(weight), steps, rows, columns), rows * columns


def encode(state, heads, image, temporal_coords=None, location_coords=None):
    """Tokens after every block, the last ones after the final norm.

    `state` holds arrays under the published keys without `encoder.`; coordinates are lists of numbers.
    """
    state = {key: np.asarray(value, dtype=np.float64) for key, value in state.items()}
    tokens, per_date = patches(np.asarray(image, dtype=np.float64), state)
    width = tokens.shape[-1]
    for sample, dates in enumerate(temporal_coords or []):
        for step, pair in enumerate(dates):
            date = slice(step * per_date, (step + 1) * per_date)
            tokens[sample, date] += state["temporal_embed_enc.scale"] * two_numbers(width, pair)
    for sample, pair in enumerate(location_coords or []):
        tokens[sample] += state["location_embed_enc.scale"] * two_numbers(width, pair)
    tokens = np.concatenate([np.tile(state["cls_token"], (len(tokens), 1, 1)), tokens], axis=1)
    features = []
    while block := below(state, f"blocks.{len(features)}"):
        tokens = tokens + attention(norm(tokens, **below(block, "norm1")), heads, below(block, "attn"))
        tokens = tokens + mlp(norm(tokens, **below(block, "norm2")), below(block, "mlp"))
        features.append(tokens)
    features[-1] = norm(tokens, **below(state, "norm"))
    return features
