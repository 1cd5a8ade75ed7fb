"""Map one scene in this process: make the pieces that are missing, and join them to Cloud-Optimized GeoTIFFs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from instageo.model.inference.predictor import Predictor
from instageo.model.mapping.ensemble import Ensemble
from instageo.model.mapping.map_files import MAP
from instageo.model.mapping.map_pieces import MAX_SAMPLES, MadePieces, find_unlike_bands, map_pieces
from instageo.model.mapping.prepared_map import MapOptions, PieceRange, prepare_map
from instageo.model.scenes.tiles import SceneInput

Progress = Callable[[int, int], None]
"""Called with the number of tiles that are done, and of all tiles."""


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
        fingerprint: What the map depends on, by name; if it changes, an unfinished map begins again.
        finish: Called with the finished map while its pieces are still there, to write what is made from it.
        progress: Called after each row of tiles.

    Raises:
        DataError: The network's output is not a number, or another process makes the same map.
        OutOfMemoryError: Memory runs out.
        RasterError: The scene cannot be read.
        WriteError: The disk refuses a file.
    """
    with prepare_map(ensemble.first, source, output, options, fingerprint) as prepared:
        ranges, num_rows = prepared.missing_ranges(), prepared.layout.num_rows()
        everything = [PieceRange(panel, range(num_rows)) for panel in range(prepared.plan.num_panels)]
        total = sum(map(prepared.num_tiles, everything))
        done = max(total - sum(map(prepared.num_tiles, ranges)), 0)

        def advance(tiles: int) -> None:
            nonlocal done
            done = min(done + tiles, total)
            progress(done, total)

        advance(0)
        made = [
            map_pieces(ensemble, prepared, each, max_samples=samples_per_range(len(ranges)), progress=advance)
            for each in ranges
        ]
        result = summarize(ensemble.first, prepared.join(), made)
        finish(result)
    return result


def samples_per_range(num_ranges: int) -> int:
    """Return of how many tiles of each range some pixels are compared with the training chips."""
    return max(MAX_SAMPLES // max(num_ranges, 1), 1)


def summarize(predictor: Predictor, files: Mapping[str, Path], made: Sequence[MadePieces]) -> SceneMap:
    """Return what is to be said of a finished map, from all of its ranges of pieces."""
    samples = [sample for each in made for sample in each.samples]
    num_tiles, num_empty = sum(each.num_tiles for each in made), sum(each.num_empty for each in made)
    return SceneMap(files, num_tiles, num_empty, find_unlike_bands(predictor, samples))
