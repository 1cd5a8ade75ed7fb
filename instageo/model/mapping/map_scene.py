"""Map one scene: read strips, predict tiles, average them, write pieces, and join these to Cloud-Optimized GeoTIFFs."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from instageo.errors import DataError
from instageo.model.chips.sample import Sample, stack_samples
from instageo.model.inference.blending import NonFiniteOutputError, RollingSum
from instageo.model.mapping.ensemble import Ensemble
from instageo.model.mapping.map_files import MAP, MapFile, WantedLayers, plan_map_files
from instageo.model.mapping.piece_writer import PieceWriter
from instageo.model.mapping.plan import BLOCK, MapPlan, plan_map
from instageo.model.mapping.run_state import resumable
from instageo.model.mapping.tiles import SceneInput, TileRows
from instageo.raster.map_files.cog_join import join_pieces
from instageo.raster.map_files.pieces import PieceStore
from instageo.runtime.memory import explain_memory_errors

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with the number of tiles that are done, and of all tiles."""

MIN_BATCH = 2
"""Smallest batch: for a single tile other kernels are chosen, whose last digits differ."""

SAMPLE_STEP, MAX_SAMPLES = 8, 256
"""Step between the pixels, and number of the tiles, that are compared with the training chips."""

MEMORY_ADVICE = "lower memory_mb or the batch size (train.batch_size), or use a machine with more memory"


@dataclass(frozen=True)
class MapOptions:
    """How a map is made.

    Attributes:
        layers: What is written beyond classes or values.
        memory_mb: Memory beyond that of the network and the program.
        tags: Tags of the files.
    """

    layers: WantedLayers = field(default_factory=WantedLayers)
    memory_mb: int = 1000
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SceneMap:
    """A finished map.

    Attributes:
        files: Its raster files by kind: `map`, and where wanted `probabilities`, `confidence`, `spread`.
        num_tiles: Tiles that were predicted in this run.
        num_empty: Tiles without a valid pixel, which were not predicted.
        unlike_training: Bands with values unlike the training chips, `higher` or `lower`, by name.
    """

    files: Mapping[str, Path]
    num_tiles: int = 0
    num_empty: int = 0
    unlike_training: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file of classes or values."""
        return self.files[MAP]


def map_scene(
    ensemble: Ensemble,
    source: SceneInput,
    output: Path,
    options: MapOptions,
    fingerprint: Mapping[str, object],
    *,
    finish: Callable[[SceneMap], None] = lambda _: None,
    progress: Progress = lambda _done, _total: None,
) -> SceneMap:
    """Map a scene, or go on where an earlier run was stopped.

    Args:
        ensemble: The networks.
        source: The scene.
        output: Path of the map; further files are written next to it.
        options: What is written, and in how much memory.
        fingerprint: What the map depends on, by name; if it changes, an unfinished map begins anew.
        finish: Called with the finished map while its pieces are still there, to write what is made from it.
        progress: Called after each row of tiles.

    Raises:
        DataError: The network's output is not a number, or another process makes the same map.
        OutOfMemoryError: Memory runs out.
        RasterError: The scene cannot be read.
        WriteError: The disk refuses a file.
    """
    first, scene = ensemble.first, source.scene
    plan = plan_map(
        scene, first.tiling, first.task.num_outputs, spread=options.layers.spread, memory_mb=options.memory_mb
    )
    colors = first.settings.model.class_colors
    files = plan_map_files(first.task, colors, scene.grid.shape, plan.num_panels, options.layers)
    with resumable(output, {**fingerprint, "number of panels": plan.num_panels}) as folder:
        stores = [PieceStore(folder / file.kind, file.layout) for file in files]
        for store in stores:
            store.repair()
        mapper = _Mapper(ensemble, source, plan, files, stores, progress)
        with explain_memory_errors(source.name, MEMORY_ADVICE):
            for panel in range(plan.num_panels):
                mapper.map_panel(panel)
        for file, store in reversed([*zip(files, stores, strict=True)]):  # the map itself is the last
            join_pieces(
                store,
                file.path(output),
                grid=scene.grid,
                tags=options.tags,
                band_names=file.band_names,
                legend=file.legend,
                scales=file.scales,
            )
        paths = {file.kind: file.path(output) for file in files}
        result = SceneMap(paths, mapper.num_tiles, mapper.num_empty, mapper.find_unlike_bands())
        finish(result)
    return result


class _Mapper:
    """Makes the pieces of a map, panel by panel."""

    def __init__(
        self,
        ensemble: Ensemble,
        source: SceneInput,
        plan: MapPlan,
        files: Sequence[MapFile],
        stores: Sequence[PieceStore],
        progress: Progress,
    ) -> None:
        self.ensemble, self.source, self.plan, self.files, self.stores = ensemble, source, plan, files, stores
        self.with_spread = any(file.kind == "spread" for file in files)
        self.num_tiles = self.num_empty = 0
        self._progress, self._done = progress, 0
        self._total = sum(
            len(plan.rows.starts) * len(plan.tile_columns(files[0].layout.columns(panel)))
            for panel in range(plan.num_panels)
        )
        self._seen: list[Sample] = []

    def map_panel(self, panel: int) -> None:
        """Make the pieces of a panel, from the first that is missing on."""
        layout, plan = self.files[0].layout, self.plan
        window, tile_columns = layout.columns(panel), plan.tile_columns(layout.columns(panel))
        missing = [
            row for row in range(layout.num_rows()) if not all(store.has(0, panel, row) for store in self.stores)
        ]
        first_row = missing[0] * BLOCK if missing else layout.height
        first_tile_row = plan.first_tile_row(first_row) if missing else len(plan.rows.starts)
        self._advance(first_tile_row * len(tile_columns))
        if not missing:
            return
        rows, columns = plan.rows, plan.columns
        num_values = self.ensemble.first.task.num_outputs * (2 if self.with_spread else 1)
        sums = RollingSum(num_values, rows, columns, first_row=first_row, window=window)
        read_columns = slice(columns.window(tile_columns[0]).start, columns.window(tile_columns[-1]).stop)
        read_rows = slice(rows.window(first_tile_row).start, rows.length)
        with TileRows(self.source, read_columns, read_rows) as pixels, self._writer(panel, missing[0]) as writer:
            for row in range(first_tile_row, len(rows.starts)):
                pixels.read_until(rows.window(row).stop)
                self._predict_row(pixels, sums, row, tile_columns)
                stop = rows.starts[row + 1] if row + 1 < len(rows.starts) else rows.length
                if stop > sums.row:
                    valid = torch.from_numpy(pixels.valid(slice(sums.row, stop), window))
                    writer.append(sums.pop(stop), self.ensemble.first.observed(valid))
                pixels.forget_before(stop)
                self._advance(len(tile_columns))

    def _writer(self, panel: int, first_piece: int) -> PieceWriter:
        task = self.ensemble.first.task
        return PieceWriter(self.files, self.stores, panel, first_piece, task, with_spread=self.with_spread)

    def _advance(self, tiles: int) -> None:
        self._done += tiles
        self._progress(self._done, self._total)

    def _predict_row(self, pixels: TileRows, sums: RollingSum, row: int, tile_columns: range) -> None:
        rows, columns = self.plan.rows.window(row), self.plan.columns
        observed = [column for column in tile_columns if self._is_observed(pixels.valid(rows, columns.window(column)))]
        self.num_empty += len(tile_columns) - len(observed)
        self.num_tiles += len(observed)
        for batch in _batches(observed, self.plan.tiling.batch_size):
            samples = [pixels.sample(rows, columns.window(column)) for column in batch]
            self._remember(samples[0])
            padded = samples + samples[-1:] * (MIN_BATCH - len(samples))
            try:
                outputs = self.ensemble.predict(stack_samples(padded), spread=self.with_spread)
            except NonFiniteOutputError as error:
                left = columns.window(batch[min(error.index, len(batch) - 1)]).start
                raise DataError(f"{self.source.name}: the tile at row {rows.start}, column {left}: {error}") from error
            for column, values in zip(batch, outputs, strict=False):  # without the padding
                sums.add(values, row, column)

    def _is_observed(self, valid: NDArray[np.bool_]) -> bool:
        """Return whether any pixel of a tile gets a value; `valid` is (T, h, w)."""
        if len(valid) == 1 or not valid.any():
            return bool(valid.any())
        return bool(self.ensemble.first.observed(torch.from_numpy(valid)).any())

    def _remember(self, sample: Sample) -> None:
        if len(self._seen) < MAX_SAMPLES:
            step = slice(None, None, SAMPLE_STEP)
            self._seen.append(Sample(sample.image[..., step, step].clone(), sample.valid[..., step, step].clone()))

    def find_unlike_bands(self) -> dict[str, str]:
        """Return the bands whose values are unlike the training chips, from some of the pixels."""
        if not self._seen:
            return {}
        image = torch.cat([sample.image.flatten(-2) for sample in self._seen], dim=-1)
        valid = torch.cat([sample.valid.flatten(-2) for sample in self._seen], dim=-1)
        return self.ensemble.first.find_unlike_bands(Sample(image[..., None], valid[..., None]))


def _batches(columns: Sequence[int], size: int) -> Iterator[list[int]]:
    remaining = iter(columns)
    while batch := list(islice(remaining, size)):
        yield batch
