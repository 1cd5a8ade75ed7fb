"""Rows of all layers of a scene, on its grid, with what is valid at each date."""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from instageo.raster.reading import OpenRaster, open_raster
from instageo.raster.scenes.alignment import align
from instageo.raster.scenes.file_layers import FileLayers
from instageo.raster.scenes.file_rows import FileRows, Rows
from instageo.raster.scenes.quality_layer import QualityLayer
from instageo.raster.scenes.reading_parts import StoppableRaster
from instageo.raster.scenes.scene import QualitySource, SceneLayers

GDAL_SETTINGS: dict[str, str | int] = {
    "GDAL_CACHEMAX": 32,
    "GTIFF_VIRTUAL_MEM_IO": "NO",
    "GDAL_MAX_DATASET_POOL_SIZE": 64,
}
"""GDAL options for scenes: whole block rows bypass the block cache, files mapped into memory would count as memory of
this process, and VRTs of many files keep few of them open."""


class SceneRows:
    """Rows of some columns of a scene, from top to bottom, while its files are open; for one thread, in `with`."""

    def __init__(self, scene: SceneLayers, columns: slice, is_stopped: Callable[[], bool] = lambda: False) -> None:
        """Prepare reading; files are opened by `with`.

        Args:
            scene: The scene.
            columns: Its columns.
            is_stopped: Called between parts of rows; if it returns true, `read` raises a `ReadingStoppedError`.
        """
        self._scene, self._columns, self._stack, self._is_stopped = scene, columns, ExitStack(), is_stopped
        self._bands: list[FileLayers] = []
        self._quality: list[QualityLayer | None] = []

    def __enter__(self) -> Self:
        scene = self._scene
        with ExitStack() as opening:
            files = {path: self._open(path, opening) for path in scene.paths}
            paths = dict.fromkeys(source.path for source in scene.sources)
            self._bands = [self._open_bands(path, files[path]) for path in paths]
            self._quality = [
                None if source is None else self._open_quality(source, files[source.path]) for source in scene.quality
            ]
            self._stack = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bands, self._quality = [], []
        self._stack.__exit__(kind, error, trace)

    def _open(self, path: str, opening: ExitStack) -> OpenRaster:
        file = opening.enter_context(open_raster(path, GDAL_SETTINGS, GDAL_SETTINGS))
        return StoppableRaster(file.path, file.source, self._is_stopped)

    def _open_bands(self, path: str, file: OpenRaster) -> FileLayers:
        own = [(position, source) for position, source in enumerate(self._scene.sources) if source.path == path]
        layers = [source.layer for _, source in own]
        return FileLayers(
            lambda span: FileRows(file, layers, span, self._scene.no_data_value),
            align(self._scene.grid, file.info.grid, path, self._scene.sources[0].path),
            self._columns,
            nearest=[source.resampling == "nearest" for _, source in own],
            positions=[position for position, _ in own],
        )

    def _open_quality(self, source: QualitySource, file: OpenRaster) -> QualityLayer:
        grid = self._scene.grid
        alignment = align(grid, file.info.grid, source.path, self._scene.sources[0].path)
        return QualityLayer(
            lambda span: FileRows(file, [source.layer], span), alignment, source, self._columns, grid.shape
        )

    def read(self, start: int, stop: int) -> Rows:
        """Return values (L, h, w) in the type of the scene, and validity (T, h, w), of rows of the scene.

        Raises:
            RasterError: A file cannot be read.
        """
        scene, shape = self._scene, (stop - start, self._columns.stop - self._columns.start)
        valid = np.ones((scene.num_dates, *shape), bool)
        values: NDArray[np.generic] = np.empty(0, scene.dtype)
        for file in self._bands:
            own, own_valid = file.read(start, stop)
            if len(self._bands) == 1:
                values = own.astype(scene.dtype, copy=False)
            elif not values.size:
                values = np.empty((len(scene.sources), *shape), scene.dtype)
            for position, layer, layer_valid in zip(file.positions, own, own_valid, strict=True):
                valid[position // scene.bands_per_date] &= layer_valid
                if len(self._bands) > 1:
                    values[position] = layer
        for date, quality in enumerate(self._quality):
            if quality is not None:
                valid[date] &= quality.read(start, stop)
        return values, valid
