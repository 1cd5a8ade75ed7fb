"""Load a trained model for use from Python: to predict files and arrays, to map scenes, and to export."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from instageo.arguments import as_path
from instageo.errors import ConfigError
from instageo.model.backends.backend import AUTO
from instageo.model.exports.export_model import export_model
from instageo.model.exports.request import ExportReport, build_request
from instageo.model.inference.backend_choice import choose_for_work, noise_tiles
from instageo.model.inference.predictor import Predictor, predictor_from_settings
from instageo.model.map_jobs.from_settings import build_map_job
from instageo.model.map_jobs.map_job import MapReport
from instageo.model.map_jobs.map_scenes import map_scenes
from instageo.model.mapping.map_scene import Progress
from instageo.model.networks.device import find_device
from instageo.model.settings import EngineSettings
from instageo.model.settings.compose import default_settings
from instageo.model.settings.map_settings import MapSettings
from instageo.raster.gdal_log import ignore_missing_georeference


@dataclass(frozen=True)
class TrainedModel(Predictor):
    """A trained network that also maps scenes of any size, and exports itself. Make one with `load_model`.

    Examples:
        >>> import instageo
        >>> model = instageo.load_model("model.ckpt", device="cpu")
        >>> isinstance(model, instageo.TrainedModel), model.class_names
        (True, ['0', '1'])
    """

    def map(
        self,
        scene: str | Path | Sequence[str | Path],
        output: str | Path,
        *,
        progress: Callable[[int, int], None] | None = None,
        **options: Any,
    ) -> MapReport:
        """Map a scene of any size in bounded memory, as `instageo map` does.

        A run that was stopped goes on where it was. Next to the map, `OUTPUT.tif`, areas of the classes and a picture
        are written.

        Args:
            scene: Raster, folder or archive of a product, or URL; for several dates one raster with all, or a list
                with one for each.
            output: Path of the map, or folder for it.
            progress: Called with the number of tiles that are done, and of all tiles.
            **options: Settings of the group `map`, such as `probabilities=True`, `mask=["cloud"]`, `vector=".gpkg"`;
                see docs/maps.md.

        Raises:
            InstaGeoError: The scene cannot be read, or the map cannot be written.

        Examples:
            >>> import instageo
            >>> model = instageo.load_model("model.ckpt", device="cpu")
            >>> report = model.map("chip.tif", "maps/map.tif", confidence=True)
            >>> sorted(path.name for path in report.files)  # doctest: +ELLIPSIS
            ['map.qml', 'map.tif', 'map_areas.csv', 'map_areas.json', 'map_confidence.tif', 'map_quicklook.png']
        """
        return _map_one_scene(self, scene, output, options, progress)

    def export(
        self, output: str | Path | None = None, *, format: str, name: str | None = None, **options: Any
    ) -> ExportReport:
        """Write the network as a file for other programs, as `instageo export` does.

        Pixels go in as files store them, and probabilities come out. The file is loaded again and compared with the
        network on real chips; `export.json` says how they agree.

        Args:
            output: Folder; None for `exports` in the folder of the run, or here for a model from a registry.
            format: `onnx`, `openvino`, `pt2` or `deepness`.
            name: Beginning of the files' names; None for that of the run's folder.
            **options: As in docs/export.md: `table`, `precision`, `calibration`, `tile`, `opset`, `normalized_input`,
                `logits`, `dates`, `lat_lon`, `resolution`, `gate`.

        Raises:
            InstaGeoError: The file differs from the network, there are no chips to compare on, or it cannot be written.

        Examples:
            >>> import instageo
            >>> model = instageo.load_model("model.ckpt", device="cpu")
            >>> report = model.export("exports", format="pt2", table="val.csv")
            >>> report.path.name, report.record["gate"]["agreement"]
            ('model_f32.pt2', 1.0)
        """
        return export_model(self, build_request(str(self.settings.checkpoint_path), output, format, name, options))


def load_model(
    source: str | Path,
    *,
    device: str | torch.device | None = None,
    backend: str = AUTO,
    precision: str = AUTO,
) -> "TrainedModel":
    """Load a trained model for inference.

    Args:
        source: A `.ckpt` file, a run directory that holds `instageo_best_checkpoint.ckpt`, or a registry name.
        device: Device to compute on, as PyTorch names it: `cpu`, `cuda:1`; None or `auto` for a GPU if there is one.
        backend: Runtime that computes the network: `torch`, or `openvino` or `onnxruntime` (extra `fast`); with `auto`,
            `map` chooses the fastest for large scenes, and all else is computed by PyTorch.
        precision: Number format: `f32`, `bf16` or `int8`; `auto` leaves it to the backend's choice.

    Raises:
        CheckpointError: The checkpoint is missing, unreadable or inconsistent.
        ConfigError: An argument is of a wrong kind, or this machine has no such device.

    Examples:
        >>> import instageo
        >>> model = instageo.load_model("model.ckpt", device="cpu")
        >>> model.class_names
        ['0', '1']
    """
    path = as_path("source", source, "a checkpoint, the folder of a run, or registry:MODEL/SIZE")
    engine = EngineSettings(backend=backend, precision=precision)
    settings = replace(default_settings(), checkpoint_path=path, engine=engine)
    loaded = predictor_from_settings(settings, frozenset(), find_device(device))
    if engine != EngineSettings():
        # Speed and agreement can be tried on noise; int8 calibrated with it would compute later maps, too.
        loaded = choose_for_work(loaded, lambda n: [] if precision == "int8" else noise_tiles(loaded, n), math.inf)
    return TrainedModel(**{part.name: getattr(loaded, part.name) for part in fields(Predictor)})


@ignore_missing_georeference()
def _map_one_scene(
    predictor: Predictor,
    scene: str | Path | Sequence[str | Path],
    output: str | Path,
    options: Mapping[str, Any],
    progress: Progress | None,
) -> MapReport:
    """Map one scene with a loaded network; see `Predictor.map`."""
    names = [scene] if isinstance(scene, (str, Path)) else list(scene)
    paths = [as_path("scene", name, "the path or URL of a raster, or the folder of a product") for name in names]
    output = as_path("output", output)
    known = {part.name for part in fields(MapSettings)} - {"scenes", "output"}
    if unknown := set(options) - known:
        name = min(unknown)
        raise TypeError(f"unknown option {name}; the options are {', '.join(sorted(known))}")
    wanted = MapSettings(scenes=paths, output=output, **options)
    job = build_map_job(predictor, wanted, Path(output))
    if len(job.scenes) != 1:
        raise ConfigError(f"scene={scene}: names {len(job.scenes)} scenes; expected one")
    [report] = map_scenes(job, lambda _: nullcontext(progress or (lambda _done, _total: None)))
    return report
