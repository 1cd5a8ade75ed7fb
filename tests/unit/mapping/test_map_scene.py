"""Maps of scenes equal what is computed for the whole image at once, at any size, in any number of panels."""

import numpy as np
import pytest
import torch

from instageo import build_network
from instageo.errors import ConfigError, DataError, OutOfMemoryError
from instageo.model.backends.backend import BackendChoice
from instageo.model.chips.sample import Sample
from instageo.model.inference.backend_choice import use_backend
from instageo.model.inference.blending import tile_ramp
from instageo.model.mapping.ensemble import TTA
from instageo.model.mapping.map_files import WantedLayers
from instageo.model.mapping.prepared_map import MapOptions
from tests.unit.mapping.conftest import NO_DATA, Content, Remainder, make_predictor

PROBABILITIES = MapOptions(WantedLayers(probabilities=True, confidence=True))


def average_of_tiles(predictor, image, valid):
    """Compute the averages of a whole image in NumPy from the definition: ramps over the overlap, tiles in order."""
    tiling = predictor.tiling
    rows, columns = tiling.axis(image.shape[-2]), tiling.axis(image.shape[-1])
    total, weights = None, np.zeros(image.shape[-2:], np.float32)
    for row in range(len(rows.starts)):
        for column in range(len(columns.starts)):
            window = rows.window(row), columns.window(column)
            tile = Sample(torch.from_numpy(image), torch.from_numpy(valid)).crop(*window).map(lambda part: part[None])
            with torch.inference_mode():
                values = predictor.task.activate(predictor.forward(tile).float())[0].numpy()
            weight = np.outer(tile_ramp(rows, row).numpy(), tile_ramp(columns, column).numpy())
            total = np.zeros((len(values), *image.shape[-2:]), np.float32) if total is None else total
            total[:, *window] += values * weight
            weights[window] += weight
    return total / weights


@pytest.mark.parametrize(
    "shape", [(1, 1), (31, 33), (32, 32), (33, 31), (100, 37), (37, 1000), (223, 65), (600, 70), (1, 600)]
)
@pytest.mark.parametrize("overlap", [0, 16])
def test_a_map_of_remainders_is_the_remainder(mapped, noise, shape, overlap):
    values = noise(*shape)
    result = mapped(values, make_predictor(Remainder(5), 5, 32, overlap=overlap))
    assert np.array_equal(result.map[0], values % 5)


@pytest.mark.parametrize(("shape", "tile"), [((77, 130), 32), ((130, 77), 48), ((20, 90), 32), ((64, 64), 64)])
@pytest.mark.parametrize("num_dates", [1, 3])
def test_a_map_equals_the_average_over_tiles_by_definition(mapped, noise, shape, tile, num_dates):
    predictor = make_predictor(Content(4), 4, tile, num_bands=2, num_dates=num_dates)
    values = noise(2 * num_dates, *shape)
    values[:, 10:15, 3:9] = NO_DATA
    result = mapped(values, predictor, options=PROBABILITIES)
    image = values.reshape(num_dates, 2, *shape).swapaxes(0, 1).astype(np.float32)
    valid = np.broadcast_to((values != NO_DATA).all(0), (num_dates, *shape)).copy()
    expected = average_of_tiles(predictor, np.where(valid, image, 0).astype(np.float32), valid)
    assert np.array_equal(result.map[0], np.where(valid[0], expected.argmax(0), 255))
    assert np.array_equal(result.probabilities == 255, np.broadcast_to(~valid[0], expected.shape))
    error = abs(result.probabilities / np.float32(254) - expected)[:, valid[0]]
    assert error.max() <= 0.5 / 254 + 1e-5
    confidence = abs(result.confidence[0] / np.float32(254) - expected.max(0))[valid[0]]
    assert confidence.max() <= 0.5 / 254 + 1e-5


def test_a_map_equals_the_prediction_of_the_whole_image(mapped, noise, tmp_path):
    predictor = make_predictor(Content(3), 3, 32)
    values = noise(90, 70)
    values[40:60, :30] = NO_DATA
    result = mapped(values, predictor)
    assert np.array_equal(result.map[0], predictor.predict(tmp_path / "scene.tif").classes)


def test_panels_do_not_change_a_map(mapped, noise, tmp_path):
    """1,600 columns in one panel, and in panels of one block each."""
    predictor = make_predictor(Content(3), 3, 64)
    values = noise(150, 1600)
    values[:, 700:1200] = NO_DATA
    layers = WantedLayers(probabilities=True)
    one = mapped(values, predictor, options=MapOptions(layers), name="one.tif").made
    several = mapped(values, predictor, options=MapOptions(layers, memory_mb=24), name="several.tif").made
    for kind in ("", "_probabilities"):
        assert (tmp_path / f"one{kind}.tif").read_bytes() == (tmp_path / f"several{kind}.tif").read_bytes()
    assert several.num_tiles > one.num_tiles  # those at borders of panels are predicted for both
    assert several.num_empty > 0


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "openvino", "onnxruntime"])
def test_networks_side_by_side_do_not_change_a_map(mapped, noise, tmp_path, backend):
    """A real network in batches of 6, on one thread, and of 3 and 2 tiles in as many threads."""
    pytest.importorskip(backend)
    torch.manual_seed(1)
    net = build_network("prithvi_eo_tiny", num_classes=3, head="light", embed_dim=32, depth=2, bands=("B0", "B1"))
    predictor = make_predictor(net, 3, 32, num_bands=2, batch_size=6)
    values, before = noise(2, 110, 170), torch.get_num_threads()
    values[:, 20:60, 30:90] = NO_DATA
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            engine = predictor if backend == "torch" else use_backend(predictor, BackendChoice(backend, "f32"))
            mapped(values, engine, options=PROBABILITIES, name=f"{number}.tif")
    finally:
        torch.set_num_threads(before)
    for kind in ("", "_probabilities", "_confidence"):
        one, two, three = ((tmp_path / f"{number}{kind}.tif").read_bytes() for number in (1, 2, 3))
        assert one == two == three


def test_too_little_memory_is_told(mapped, noise):
    with pytest.raises(
        OutOfMemoryError, match=r"memory_mb=2 is not enough for a scene of 1600 columns.*set at least \d+"
    ):
        mapped(noise(40, 1600), make_predictor(Content(3), 3, 32), options=MapOptions(memory_mb=2))


def test_tiles_without_a_valid_pixel_are_skipped(mapped, noise):
    """Of 4 x 4 tiles of 32 without overlap, 3 x 3 hold the valid pixels of 70 x 70."""
    values = noise(128, 128)
    values[70:] = NO_DATA
    values[:, 70:] = NO_DATA
    result = mapped(values, make_predictor(Remainder(3), 3, 32, overlap=0))
    assert (result.made.num_tiles, result.made.num_empty) == (9, 7)
    assert (result.map[0, 70:] == 255).all()
    assert (result.map[0, :, 70:] == 255).all()


def test_a_scene_without_a_valid_pixel_is_no_data(mapped):
    result = mapped(np.full((50, 60), NO_DATA, np.int16), make_predictor(Remainder(3), 3, 32))
    assert (result.map == 255).all()
    assert result.made.num_tiles == 0


def test_a_constant_network_gives_a_constant(mapped, noise):
    class Constant(torch.nn.Module):
        def forward(self, image, _time, _location):
            return torch.tensor([0.3, 1.7])[:, None, None].expand(len(image), 2, *image.shape[-2:])

    result = mapped(noise(70, 90), make_predictor(Constant(), 2, 32), options=PROBABILITIES)
    assert (result.map == 1).all()
    assert set(np.unique(result.probabilities[1])) == {round(254 / (1 + np.exp(-1.4)))}


def test_regression_maps_hold_values(mapped, noise):
    predictor = make_predictor(Content(1), 1, 32, is_reg_task=True)
    values = noise(60, 75)
    values[5:9] = NO_DATA
    result = mapped(values, predictor)
    valid = (values != NO_DATA)[None]
    expected = average_of_tiles(predictor, np.where(valid, values, 0).astype(np.float32)[None], valid)
    assert np.isnan(result.map[0][~valid[0]]).all()
    np.testing.assert_allclose(result.map[0][valid[0]], expected[0][valid[0]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["flips", "d4"])
def test_test_time_augmentation_averages_all_symmetries(mapped, noise, name):
    """A network of single pixels is the same under any symmetry, so its map stays and its spread is 0."""
    predictor = make_predictor(Remainder(4), 4, 32)
    values = noise(70, 80)
    options = MapOptions(WantedLayers(spread=True))
    result = mapped(values, predictor, symmetries=TTA[name], options=options)
    assert np.array_equal(result.map[0], values % 4)
    assert (result.spread == 0).all()


@pytest.mark.parametrize("symmetry", TTA["d4"])
def test_symmetries_are_undone(symmetry):
    tile = torch.arange(12.0).view(1, 3, 4)[..., :3]
    assert torch.equal(symmetry.undo(symmetry.apply(tile)), tile)
    assert len({tuple(each.apply(tile).flatten().tolist()) for each in TTA["d4"]}) == 8


def test_the_spread_of_two_networks_is_half_of_their_difference(mapped, noise):
    class Certain(torch.nn.Module):
        def __init__(self, p):
            super().__init__()
            self.logits = torch.tensor([1 - p, p]).log()

        def forward(self, image, _time, _location):
            return self.logits[:, None, None].expand(len(image), 2, *image.shape[-2:])

    members = [make_predictor(Certain(p), 2, 32) for p in (0.9, 0.6)]
    options = MapOptions(WantedLayers(spread=True, probabilities=True))
    result = mapped(noise(50, 50), members, options=options)
    assert (result.map == 1).all()
    assert set(np.unique(result.probabilities[1])) == {round(0.75 * 254)}
    assert set(np.unique(result.spread)) == {round(0.15 * 254)}


def test_members_of_an_ensemble_must_agree(noise, mapped):
    with pytest.raises(ConfigError, match="has other outputs"):
        mapped(noise(40, 40), [make_predictor(Remainder(k), k, 32) for k in (3, 4)])


def test_an_output_that_is_not_a_number_names_the_tile(mapped, noise):
    class Broken(torch.nn.Module):
        def forward(self, image, _time, _location):
            logits = image[:, 0].expand(-1, 2, -1, -1).clone()
            return torch.where(image[:, 0] == 7, torch.nan, logits)

    values = noise(100, 100)
    values[values == 7] = 8
    values[60, 50] = 7
    with pytest.raises(DataError, match=r"scene: the tile at row 32, column 32: the network's output is not a number"):
        mapped(values, make_predictor(Broken(), 2, 32, overlap=0))
