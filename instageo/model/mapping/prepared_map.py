"""A map that is being made: its plan, its files, and which of its pieces are missing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from instageo.model.inference.predictor import Predictor
from instageo.model.mapping.map_files import MapFile, WantedLayers, plan_map_files
from instageo.model.mapping.plan import MapPlan, plan_map
from instageo.model.mapping.run_state import resumable
from instageo.model.scenes.tiles import SceneInput
from instageo.raster.map_files.cog_join import join_pieces
from instageo.raster.map_files.layout import MapLayout
from instageo.raster.map_files.pieces import PieceStore


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
class PieceRange:
    """Some pieces of a panel, which are made in one go.

    Attributes:
        panel: Number of the column panel.
        rows: Numbers of the rows of blocks.
    """

    panel: int
    rows: range


@dataclass(frozen=True)
class PreparedMap:
    """A map whose pieces can be made, by any number of processes.

    Attributes:
        source: The scene.
        output: Path of the map.
        plan: Tiles and panels.
        files: Raster files of the map, that of classes or values first.
        stores: Where the pieces of each file are kept.
        tags: Tags of the files.
    """

    source: SceneInput
    output: Path
    plan: MapPlan
    files: Sequence[MapFile]
    stores: Sequence[PieceStore]
    tags: Mapping[str, str]

    @property
    def layout(self) -> MapLayout:
        """Size and pieces of the map; all of its files are split in the same way."""
        return self.files[0].layout

    def missing_ranges(self, max_rows: int | None = None) -> list[PieceRange]:
        """Return the pieces at full resolution that are missing, neighbours together.

        Args:
            max_rows: Most rows of blocks of a range; None for no limit.
        """
        ranges: list[PieceRange] = []
        for panel in range(self.plan.num_panels):
            for row in range(self.layout.num_rows()):
                if self.has_pieces(panel, row):
                    continue
                last = ranges[-1] if ranges else None
                if last and last.panel == panel and last.rows.stop == row and len(last.rows) != max_rows:
                    ranges[-1] = PieceRange(panel, range(last.rows.start, row + 1))
                else:
                    ranges.append(PieceRange(panel, range(row, row + 1)))
        return ranges

    def has_pieces(self, panel: int, row: int) -> bool:
        """Return whether the pieces of all files are there."""
        return all(store.has(0, panel, row) for store in self.stores)

    def pixel_rows(self, pieces: PieceRange) -> slice:
        """Return the rows of the scene that pieces cover."""
        return slice(self.layout.rows(pieces.rows[0]).start, self.layout.rows(pieces.rows[-1]).stop)

    def num_tiles(self, pieces: PieceRange) -> int:
        """Return how many tiles pieces are made from."""
        columns = self.plan.tile_columns(self.layout.columns(pieces.panel))
        return len(self.plan.tile_rows(self.pixel_rows(pieces))) * len(columns)

    def join(self) -> dict[str, Path]:
        """Join the pieces of each file, when all are there, and return the files by kind.

        Raises:
            RasterError: A piece is missing or damaged.
            WriteError: The disk refuses a file.
        """
        for file, store in reversed([*zip(self.files, self.stores, strict=True)]):  # the map itself is the last
            if store.missing():  # an overview that two processes each left to the other
                store.repair()
            join_pieces(
                store,
                file.path(self.output),
                grid=self.source.scene.grid,
                tags=self.tags,
                band_names=file.band_names,
                legend=file.legend,
                scales=file.scales,
            )
        return {file.kind: file.path(self.output) for file in self.files}


@contextmanager
def prepare_map(
    predictor: Predictor, source: SceneInput, output: Path, options: MapOptions, fingerprint: Mapping[str, object]
) -> Iterator[PreparedMap]:
    """Plan a map, and hold its pieces during this block; they are removed if it ends without an error.

    Args:
        predictor: Says how tiles are cut, and what outputs mean; its network does not run.
        source: The scene.
        output: Path of the map; further files are written next to it.
        options: What is written, and in how much memory.
        fingerprint: What the map depends on, by name; if it changes, an unfinished map begins again.

    Yields:
        The map; what an earlier run has made of it is there, if it is whole.

    Raises:
        DataError: Another process makes the same map.
        OutOfMemoryError: The memory is not enough.
        WriteError: The disk refuses a file.
    """
    task, scene, layers = predictor.task, source.scene, options.layers
    plan = plan_map(scene, predictor.tiling, task.num_outputs, spread=layers.spread, memory_mb=options.memory_mb)
    colors = predictor.settings.model.class_colors
    files = plan_map_files(task, colors, scene.grid.shape, plan.num_panels, layers)
    with resumable(output, {**fingerprint, "number of panels": plan.num_panels}) as folder:
        stores = [PieceStore(folder / file.kind, file.layout) for file in files]
        for store in stores:
            store.repair()
        yield PreparedMap(source, output, plan, files, stores, options.tags)
