"""Conversion of labels to the network's scale, and back."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from instageo.model.tasks.target_scale import TargetScale


def test_conversion_by_hand():  # pitfall 3
    values = torch.tensor([0.0, np.e - 1, np.nan])
    raw = TargetScale(mean=0.5, std=2, log=True).from_natural(values)
    assert_allclose(raw, [-0.25, 0.25, np.nan], rtol=1e-6)
    assert_allclose(TargetScale(mean=10, std=4).from_natural(torch.tensor([10.0, 18.0])), [0, 2])


@given(st.floats(-1e3, 1e3), st.floats(1e-2, 1e3), st.booleans(), st.floats(0, 1e4))
def test_conversion_round_trip(mean, std, log, value):  # pitfall 3
    scale = TargetScale(mean, std, log)
    values = torch.tensor([value], dtype=torch.float64)
    assert_allclose(scale.to_natural(scale.from_natural(values)), values, rtol=1e-9, atol=1e-6)
