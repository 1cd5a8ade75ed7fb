"""The head `light` of earlier versions is `light_v0`, `light_v1` or `light_v2`: their checkpoints give the same maps.

`light_v0.ckpt`, `light_v1.ckpt` and `light_v2.ckpt` are of the last versions that had these heads as `light` (03f509e,
2d50c0e, 2629b4aa): `prithvi_eo_tiny` of one block, 16 channels and one band, with random weights of seed 0, those of
the last layer times 10, and 0.5 added to the second class in the later two, which have the same weights.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from instageo import load_model
from instageo.errors import CheckpointError
from instageo.model.networks.checkpoint import read_checkpoint
from instageo.model.settings.compose import default_settings, update_settings
from instageo.model.settings.keys import with_current_names
from instageo.model.training.resume import find_resume_checkpoint

V0_MAP = [1.99775e-3, 4.71063e-5, 1.24245e-1, 2.88705e-2, 8.44466e-5, 1.21520e-7, 1.00526e-2, 6.47941e-2]
V1_MAP = [3.13606e-1, 4.97026e-1, 5.62700e-1, 5.62700e-1, 1.83618e-3, 2.02390e-3, 1.65801e-8, 5.62700e-1]
V2_MAP = [3.13606e-1, 5.62700e-1, 5.62700e-1, 5.62700e-1, 1.83618e-3, 2.02390e-3, 1.65801e-8, 5.62700e-1]


@pytest.fixture
def earlier(head):
    """A checkpoint of an earlier version."""
    return Path(__file__).with_name(f"{head}.ckpt")


@pytest.mark.parametrize("head", ["light_v0", "light_v1", "light_v2"])
def test_an_earlier_checkpoint_has_the_present_name_of_its_head(earlier, head):
    checkpoint = read_checkpoint(earlier)
    assert torch.load(earlier, weights_only=True)["instageo"]["settings"]["model.head"] == "light"
    assert checkpoint.settings["model.head"] == checkpoint.run["model.head"] == head


@pytest.mark.parametrize(
    ("head", "pixels", "expected"), [("light_v0", 63, V0_MAP), ("light_v1", 472, V1_MAP), ("light_v2", 513, V2_MAP)]
)
def test_an_earlier_checkpoint_gives_the_maps_of_the_version_that_wrote_it(earlier, pixels, expected):
    rows, columns = np.mgrid[:40, :24]
    chip = ((7 * columns + 13 * rows) % 50 * 60).astype(np.float32)[None]
    prediction = load_model(earlier, device="cpu").predict(chip)
    assert prediction.classes.sum() == pixels
    places = [0, 0, 1, 1, 20, 20, 21, 39], [0, 1, 0, 1, 10, 11, 10, 23]
    np.testing.assert_allclose(prediction.probabilities[1][places], expected, rtol=1e-4)


@pytest.mark.parametrize("head", ["light_v0", "light_v1", "light_v2"])
def test_an_earlier_training_is_not_resumed_with_the_present_head(earlier, head, tmp_path):
    content = torch.load(earlier, weights_only=True)
    torch.save(content | {"optimizer_states": [], "epoch": 0}, tmp_path / "last.ckpt")
    run = with_current_names(content["instageo"]["run"]) | {"train.resume": str(tmp_path)}
    settings = update_settings(default_settings(), run)
    with pytest.raises(CheckpointError, match=rf"model\.head={head}, but you passed model\.head=light"):
        find_resume_checkpoint(settings, tmp_path)
    settings = update_settings(settings, {"model.head": head})
    assert find_resume_checkpoint(settings, tmp_path) == tmp_path / "last.ckpt"
