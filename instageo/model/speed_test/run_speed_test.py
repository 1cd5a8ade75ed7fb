"""`instageo bench`: measure a model on this machine."""

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import gettempdir

import torch

from instageo.errors import ConfigError
from instageo.files import write_text
from instageo.model.map_jobs.trained_model import load_model
from instageo.model.settings.compose import update_settings
from instageo.model.speed_test.measurement import measure_speed
from instageo.model.speed_test.report import print_speed, report_backends, speed_json
from instageo.model.speed_test.synthetic_scene import write_synthetic_scene
from instageo.stores.temporary_folder import temporary_folder
from instageo.wording import option_flag

TILES_ACROSS = 6
"""Side of the synthetic scene in tiles: large enough for strips and blocks, small enough to be made in a second."""


@dataclass(frozen=True)
class SpeedRequest:
    """What is to be measured.

    Attributes:
        model: Checkpoint, run folder or registry name.
        scene: A raster; None for a synthetic one.
        tile: Side of a tile, pixels; None for that of training.
        threads: Threads of the network; None for all.
        seconds: For each measurement.
        price_per_hour: Price of an hour of this machine.
        resolution_m: Side of a pixel of the synthetic scene, m.
        json_path: File for the figures as JSON.
        device: Device of the network; None for a GPU if there is one.
    """

    model: str
    scene: Path | None = None
    tile: int | None = None
    threads: int | None = None
    seconds: float = 3.0
    price_per_hour: float | None = None
    resolution_m: float = 10.0
    json_path: Path | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        for name in ("tile", "threads", "seconds", "price_per_hour", "resolution_m"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{option_flag(name)} is {value}; expected a number above 0")
        cores = os.cpu_count() or 1
        if self.threads is not None and self.threads > cores:
            raise ConfigError(f"--threads is {self.threads}; expected at most {cores}, the cores of this machine")


def run_speed_test(request: SpeedRequest) -> None:
    """Measure, print a table, and write JSON if that was asked for."""
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    predictor = load_model(request.model, device=request.device)
    if request.tile is not None:
        settings = update_settings(predictor.settings, {"test.crop_size": request.tile, "test.stride": None})
        predictor = replace(predictor, settings=settings)
    scene = request.scene
    with temporary_folder(Path(gettempdir()), "instageo_bench_") as folder:
        if scene is None:
            scene = folder / "scene.tif"
            write_synthetic_scene(predictor, scene, TILES_ACROSS * predictor.tiling.tile, request.resolution_m)
        test = measure_speed(predictor, scene, folder, request.seconds)
    reports = report_backends(test, request.price_per_hour)
    if request.json_path is not None:
        write_text(request.json_path, speed_json(test, reports) + "\n")
    print_speed(test, reports)
