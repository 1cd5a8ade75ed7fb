"""The rule that fills weights and inputs by name, so that figures computed elsewhere can be compared with ours."""

import zlib

import numpy as np
import torch


def filled(key, like):
    """Weights for one entry of a state dict, seeded by its name."""
    if key.endswith("num_batches_tracked"):
        return torch.tensor(1)
    drawn = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(tuple(like.shape)).astype(np.float32)
    if key.endswith("running_var"):
        drawn = 1 + np.abs(drawn) / 10
    elif key.endswith("weight") and like.ndim == 1:
        drawn = 1 + drawn / 10
    elif key.endswith("scale"):
        drawn = 0.1 + drawn / 100
    else:
        drawn = drawn / 20
    return torch.from_numpy(drawn.astype(np.float32))


def fill(module, prefix):
    """Fill a module's state by the rule, all but the position embedding; the module is returned in eval mode."""
    state = module.state_dict()
    module.load_state_dict(
        {key: like if key.endswith("pos_embed") else filled(prefix + key, like) for key, like in state.items()}
    )
    return module.eval()


def standard_image(steps, side):
    """Input of shape (2, 6, steps, side, side)."""
    shape = 2, 6, steps, side, side
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


def deviation(tensor, figures):
    """Largest deviation from the figures' 16 values, mean and standard deviation, relative to their largest value."""
    values = tensor.detach().numpy().astype(np.float64).ravel()
    assert list(tensor.shape) == figures["shape"]
    places = [int(place) for place in figures["at"]]
    found = np.array([*values[places], values.mean(), values.std()])
    expected = np.array([*figures["at"].values(), figures["mean"], figures["std"]])
    return float(np.abs(found - expected).max() / np.abs(expected).max())
