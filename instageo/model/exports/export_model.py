"""Export a trained model: write the files aside, compare them with the network, and put them in place."""

import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from instageo.errors import ConfigError, WriteError
from instageo.files import describe_disk_error, write_errors
from instageo.locations import is_remote
from instageo.model.exports.export_chips import CALIBRATION_TILES, MIN_CALIBRATION_TILES, read_export_tiles
from instageo.model.exports.export_format import ExportFormat, ExportOptions
from instageo.model.exports.export_record import build_entry, check_same_model, publish_export
from instageo.model.exports.formats import load_format
from instageo.model.exports.from_settings import export_graph_from_settings
from instageo.model.exports.gate import ExportDiffersError, check_export
from instageo.model.exports.graph import ExportGraph, ExportTile
from instageo.model.exports.request import ExportReport, ExportRequest
from instageo.model.inference.predictor import Predictor
from instageo.model.networks.checkpoint import Checkpoint, read_checkpoint
from instageo.raster.gdal_log import ignore_missing_georeference
from instageo.raster.pixel_area import compute_pixel_areas
from instageo.stores.download import sha256_file
from instageo.stores.temporary_folder import temporary_folder
from instageo.wording import counted

log = logging.getLogger(__name__)

STAGING = ".export-"
"""Begin of the names of folders that files are written to before they are published."""

GATE_TILES = 64
"""Most windows of chips that a file is compared on."""

NO_GATE = "none"
"""What `export.json` says of a file that was not compared with its network."""


@ignore_missing_georeference()
def export_model(predictor: Predictor, request: ExportRequest) -> ExportReport:
    """Write a model in another format, if the file computes what the network does.

    Args:
        predictor: The model; its settings name its checkpoint.
        request: The format, what is inside the graph, and the chips.

    Raises:
        ConfigError: The format cannot hold the model, there are no chips to compare on, or the file differs from the
            network.
        MissingExtraError: A package is not installed.
        InstaGeoError: Chips or checkpoint cannot be read, or files cannot be written.
    """
    chosen = load_format(request.format)
    checkpoint = read_checkpoint(str(predictor.settings.checkpoint_path))
    source, digest = str(predictor.settings.checkpoint_path), sha256_file(checkpoint.path)
    check_same_model(request.output, digest, source)
    tile = request.tile or predictor.tiling.tile
    chips = _gate_source(request, checkpoint)
    expected = request.resolution or (math.nan if chips else None)  # NaN: that of the chips, once they are read
    graph = export_graph_from_settings(predictor, request, stacked=chosen.stacked, resolution=expected)
    _check_format_fits(request, chosen, graph)
    tiles = _gate_tiles(predictor, request, checkpoint, chips, tile)
    graph = replace(graph, resolution=request.resolution or _resolution(tiles))
    _check_format_fits(request, chosen, graph)
    calibration = _calibration_tiles(predictor, request, checkpoint, tile)
    entry = build_entry(graph, request.format, request.precision, chosen.artifact_type, chosen.packages)
    entry["calibration_tiles"] = len(calibration)
    options = ExportOptions(
        opset=request.opset,
        calibration=[graph.feed([each]) for each in calibration],
        metadata={"description": json.dumps(entry, ensure_ascii=False)},
    )
    model = {"source": source, "sha256": digest, "architecture": predictor.settings.model.model_name}
    name = f"{request.name}_{request.precision}{chosen.suffix}"
    job = _ExportJob(predictor, graph, chosen, options, tiles, request)
    files, complete = job.write(name, model, entry)
    return ExportReport(tuple(files), complete, tuple(chosen.notes(graph)))


def _check_format_fits(request: ExportRequest, chosen: ExportFormat, graph: ExportGraph) -> None:
    if obstacle := chosen.find_obstacle(graph):
        raise ConfigError(f"format={request.format}: {obstacle}")


@dataclass(frozen=True)
class _ExportJob:
    """All that one export needs."""

    predictor: Predictor
    graph: ExportGraph
    format: ExportFormat
    options: ExportOptions
    tiles: Sequence[ExportTile]
    request: ExportRequest

    def write(self, name: str, model: dict[str, Any], entry: dict[str, Any]) -> tuple[list[Path], dict[str, Any]]:
        """Write, compare and publish the files; nothing is left of an export that fails."""
        folder, created = self.request.output, list[Path]()
        try:
            with ExitStack() as stack:
                try:
                    created = [path for path in (folder, *folder.parents) if not path.exists()]
                    folder.mkdir(parents=True, exist_ok=True)
                    staging = stack.enter_context(temporary_folder(folder, STAGING)) / "files"
                except OSError as error:
                    reason = describe_disk_error(error, folder / name)
                    raise WriteError(f"{folder / name}: cannot be written: {reason}") from error
                entry = entry | {"gate": self._write_compared(staging, name)}
                written = sorted(staging.iterdir(), key=lambda path: path.name != name)
                return publish_export(folder, model, written, entry)
        finally:
            with suppress(OSError):  # the first one is not empty after a success
                for path in created:
                    path.rmdir()

    def _write_compared(self, staging: Path, name: str) -> dict[str, Any] | str:
        """Write the files and return how they compare; in another way if those of the first way differ."""
        try:
            return self._write_one_way(self.format.write, staging, name)
        except ExportDiffersError as error:
            if self.format.alternative is None:
                raise
            log.warning("%s; trying another way of conversion", error.finding)
            return self._write_one_way(self.format.alternative, staging, name)

    def _write_one_way(
        self, write: Callable[[ExportGraph, Path, ExportOptions], None], staging: Path, name: str
    ) -> dict[str, Any] | str:
        shutil.rmtree(staging, ignore_errors=True)
        with write_errors(self.request.output / name, staging, staging / name):
            staging.mkdir()
            write(self.graph, staging / name, self.options)
        if not self.request.gate:
            return NO_GATE
        run = self.format.load(staging / name)
        return check_export(self.predictor, self.graph, run, self.tiles, self.request.precision, name)


def _gate_source(request: ExportRequest, checkpoint: Checkpoint) -> tuple[str, str | None] | None:
    """Return the table of the chips to compare on, and the folder its paths start from; None if there is none."""
    if request.table is not None:
        return request.table, None
    return find_own_table(checkpoint, "valid_filepath") if request.gate else None


def _gate_tiles(
    predictor: Predictor,
    request: ExportRequest,
    checkpoint: Checkpoint,
    chips: tuple[str, str | None] | None,
    tile: int,
) -> list[ExportTile]:
    if chips is None:
        if not request.gate:
            return []
        raise ConfigError(
            f"{checkpoint.path}: an export is compared with the network on real chips, and the table that the "
            "model was validated on is not on this machine; give table, a table or a folder of chips, or switch the "
            "comparison off (--no-gate, gate=False)"
        )
    tiles = read_export_tiles(predictor.settings, *chips, tile, GATE_TILES)
    log.info("compared on %s", counted(len(tiles), "window"))
    return tiles


def _calibration_tiles(
    predictor: Predictor, request: ExportRequest, checkpoint: Checkpoint, tile: int
) -> list[ExportTile]:
    if request.precision != "int8":
        return []
    source: tuple[str, str | None] | None
    source = (request.calibration, None) if request.calibration else find_own_table(checkpoint, "train_filepath")
    if not source:
        raise ConfigError(
            f"{checkpoint.path}: int8 is calibrated with real chips, and the table that the model was trained on is "
            "not on this machine; give calibration, a table or a folder of chips"
        )
    table, root = source
    tiles = read_export_tiles(predictor.settings, table, root, tile, CALIBRATION_TILES)
    if len(tiles) < MIN_CALIBRATION_TILES:
        raise ConfigError(
            f"calibration={table}: has {counted(len(tiles), 'window')} of {tile} pixels; expected at least "
            f"{MIN_CALIBRATION_TILES}, better {CALIBRATION_TILES}"
        )
    return tiles


def find_own_table(checkpoint: Checkpoint, which: str) -> tuple[str, str] | None:
    """Return a table that the model was trained with, and the folder its paths start from; None if it is not here.

    Both must be on this machine: a checkpoint of others must not decide what is fetched.
    """
    path, root = checkpoint.run.get(which), checkpoint.run.get("root_dir")
    if not (isinstance(path, str) and isinstance(root, str) and path and root) or is_remote(root):
        return None
    with suppress(OSError, ValueError):  # texts that cannot be paths
        for table in (path, os.path.join(root, path)) if Path(root).is_dir() else ():
            if not is_remote(table) and Path(table).is_file():
                return table, root
    return None


def _resolution(tiles: Sequence[ExportTile]) -> float | None:
    """Return the side of a pixel of the first chip, metres; None if it is nowhere on Earth."""
    areas = compute_pixel_areas(tiles[0].grid) if tiles else None
    if areas is None:
        return None
    area_km2 = areas.planar_km2 or float(areas.row_means_km2.mean())
    return round(math.sqrt(area_km2) * 1000, 3)
