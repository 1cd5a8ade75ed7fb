"""The way of tiles to a GPU, cut and averaged there, gives the same map; here on a CPU."""

import numpy as np
import pytest

from instageo.model.gpu.copies import GpuCopies
from instageo.model.mapping import map_pieces
from instageo.model.mapping.map_files import WantedLayers
from instageo.model.mapping.prepared_map import MapOptions
from tests.unit.mapping.conftest import NO_DATA, Content, make_predictor


@pytest.mark.parametrize(("shape", "memory_mb"), [((20, 30), 1000), ((700, 130), 1000), ((600, 1400), 40)])
@pytest.mark.parametrize("num_dates", [1, 2])
def test_the_map_is_the_same(mapped, noise, monkeypatch, shape, memory_mb, num_dates):
    predictor = make_predictor(Content(3), 3, 64, num_bands=2, num_dates=num_dates)
    values = noise(2 * num_dates, *shape)
    values[:, 3:200, 5:160] = NO_DATA
    options = MapOptions(WantedLayers(probabilities=True), memory_mb=memory_mb)
    expected = mapped(values, predictor, options=options)
    monkeypatch.setattr(map_pieces, "gpu_copies", GpuCopies)
    made = mapped(values, predictor, options=options, name="on_gpu.tif")
    assert np.array_equal(made.map, expected.map)
    assert np.array_equal(made.probabilities, expected.probabilities)
    assert made.made.num_tiles == expected.made.num_tiles
    assert made.made.unlike_training == expected.made.unlike_training
