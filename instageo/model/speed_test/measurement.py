"""Measure reading, network and writing apart from each other."""

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from instageo.errors import BackendUnavailableError, DataError, MissingExtraError, WriteError
from instageo.model.backends.backend import TORCH, Backend, BackendChoice
from instageo.model.backends.candidates import BACKENDS
from instageo.model.backends.cpu_features import NATIVE_BF16, cpu_features
from instageo.model.backends.trial import TrialFigures, try_backends
from instageo.model.inference.backend_choice import agreement_of, network_source, to_chips
from instageo.model.inference.predictor import Predictor
from instageo.model.mapping.piece_writer import PieceWriter
from instageo.model.mapping.prepared_map import MapOptions, prepare_map
from instageo.model.mapping.trial_tiles import read_trial_tiles, scene_tile_size
from instageo.model.scenes.date_layers import ReadingOptions
from instageo.model.scenes.scene_input import SceneFiles, open_scene_input
from instageo.model.scenes.tiles import SceneInput, TileRows

NUM_CHIPS = 8
"""Chips of a batch."""


@dataclass(frozen=True)
class SpeedTest:
    """What was measured, in chips of the size of a tile.

    Attributes:
        tile: Height and width of a tile, pixels.
        share_new: Share of a tile's pixels that no other tile covers, so that chips of ground are fewer than tiles.
        resolution_m: Side of a pixel, m; None without a unit.
        threads: Threads that compute the network.
        reading: Chips of ground per second that are read and decoded by one thread.
        networks: Tiles per second of each backend and precision, and their agreement with PyTorch.
        writing: Chips of ground per second whose map is written by one thread.
        failures: Why other backends were not measured.
    """

    tile: tuple[int, int]
    share_new: float
    resolution_m: float | None
    threads: int
    reading: float
    networks: list[TrialFigures]
    writing: float
    failures: dict[str, str]


def measure_speed(predictor: Predictor, scene: Path, folder: Path, seconds: float) -> SpeedTest:
    """Measure a model on a scene.

    Args:
        predictor: With its network.
        scene: A raster with the layers of the training chips.
        folder: For what is written; its content is of no use afterwards.
        seconds: For each measurement, at most a little more.

    Raises:
        DataError: The scene has no valid tile, or the model maps no pixels.
    """
    if predictor.task.image_level:
        raise DataError(f"{predictor.settings.checkpoint_path}: predicts one label per chip; expected a model of maps")
    source = open_scene_input(SceneFiles(str(scene), (str(scene),)), predictor, ReadingOptions())
    tile, tiling = scene_tile_size(predictor, source), predictor.tiling
    backends, failures = _build_all(predictor, tile)
    tiles = read_trial_tiles(predictor, source, NUM_CHIPS)
    if not tiles:
        raise DataError(f"{scene}: no tile with valid pixels was found; name another scene")
    networks = try_backends(backends, to_chips(predictor, tiles), agreement_of(predictor), seconds)
    transform = source.scene.grid.transform
    return SpeedTest(
        tile,
        min(tiling.stride, tile[0]) * min(tiling.stride, tile[1]) / (tile[0] * tile[1]),
        abs(transform.a) if source.scene.grid.crs else None,
        torch.get_num_threads(),
        _measure_reading(source, tile, seconds),
        networks,
        _measure_writing(predictor, source, tile, folder, seconds),
        failures,
    )


def _build_all(predictor: Predictor, tile: tuple[int, int]) -> tuple[list[Backend], dict[str, str]]:
    """Return every backend and precision that this machine has, PyTorch first; int8 if it was calibrated before."""
    network, device = network_source(predictor, tile), predictor.device.type
    native = device != "cpu" or bool(NATIVE_BF16 & cpu_features())
    backends, failures = list[Backend](), dict[str, str]()
    for name, entry in BACKENDS.items():
        for precision in entry.precisions:
            choice = BackendChoice(name, precision)
            if device != "cpu" and not entry.on_gpu:
                failures[str(choice)] = f"not on {device}"
            elif precision == "bf16" and not native:
                failures[str(choice)] = "this CPU emulates bfloat16"
            else:
                try:
                    backends.append(entry.build(network, precision, None))
                except (BackendUnavailableError, MissingExtraError, WriteError) as error:
                    failures[str(choice)] = str(error)
    return sorted(backends, key=lambda each: each.choice != TORCH), failures


def _measure_reading(source: SceneInput, tile: tuple[int, int], seconds: float) -> float:
    """Return chips of ground per second; the scene is read again and again."""
    height, width = source.scene.grid.shape
    began, pixels = time.perf_counter(), 0
    while True:
        with TileRows(source, slice(0, width), slice(0, height)) as tiles:
            for stop in (*range(tile[0], height, tile[0]), height):
                tiles.read_until(stop)
                tiles.forget_before(stop)
                pixels += width * min(tile[0], height - (stop - tile[0]) if stop == height else tile[0])
                spent = time.perf_counter() - began
                if spent >= seconds:
                    return pixels / (tile[0] * tile[1]) / spent


def _measure_writing(
    predictor: Predictor, source: SceneInput, tile: tuple[int, int], folder: Path, seconds: float
) -> float:
    """Return chips of ground per second of finished maps, whose classes change every 32 pixels."""
    height, width = source.scene.grid.shape
    generator = torch.Generator().manual_seed(0)
    num_outputs = predictor.task.num_outputs
    coarse = torch.rand(1, num_outputs, -(-tile[0] // 32), -(-width // 32), generator=generator)
    values = predictor.task.activate(torch.nn.functional.interpolate(coarse, size=(tile[0], width)))[0]
    observed = torch.ones(tile[0], width, dtype=torch.bool)
    began, number = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds or not number:
        with prepare_map(predictor, source, folder / f"map_{number}.tif", MapOptions(), {}) as prepared:
            for panel in range(prepared.plan.num_panels):
                window = prepared.layout.columns(panel)
                writer = PieceWriter(prepared.files, prepared.stores, panel, 0, predictor.task, with_spread=False)
                with writer:
                    for start in range(0, height, tile[0]):
                        rows = min(tile[0], height - start)
                        writer.append(values[:, :rows, window], observed[:rows, window])
            prepared.join()
        number += 1
    spent = time.perf_counter() - began
    return number * height * width / (tile[0] * tile[1]) / spent
