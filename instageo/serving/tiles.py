"""Keep the newest results of the page: pictures as map tiles, and the map to download."""

import io
import secrets
import shutil
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instageo.serving.errors import HTTPProblem

TILE_SIZE = 256
"""Side of a tile, pixels."""

MAX_RESULTS = 32
"""Most results that are kept."""

MAP_NAME = "prediction.tif"
"""Name of the map to download."""

IMAGE_LAYER = "image"
"""The picture whose pixels may be averaged."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class CachedResult:
    """How the page finds a result.

    Attributes:
        name: Random name, so that nobody can guess it.
        levels: Zoom levels of its pictures: each has half the side of the previous one, the last fits into one tile.
        layers: Names of its pictures.
        download: Whether there is a map.
    """

    name: str
    levels: int
    layers: tuple[str, ...]
    download: bool


class ResultCache:
    """Files of the newest results; the oldest are removed first.

    Args:
        max_bytes: Most bytes of all results; the newest is kept, however large it is.
        folder: Folder for them; created if it does not exist.
    """

    def __init__(self, max_bytes: int, folder: Path) -> None:
        self.max_bytes, self.folder = max_bytes, folder
        folder.mkdir(exist_ok=True)
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def add(self, pictures: dict[str, Pixels], map_content: bytes | None) -> CachedResult:
        """Store pictures of one size, (H, W, 4), and a map.

        Lower levels of the image average 2 x 2 pixels; those of a prediction take every second pixel, so that colours
        of classes are not mixed.
        """
        name = secrets.token_urlsafe(16)
        folder = self.folder / name
        folder.mkdir()
        levels = max(count_levels(*pixels.shape[:2]) for pixels in pictures.values())
        for layer, pixels in pictures.items():
            for level in range(levels):
                np.save(folder / f"{layer}.{level}.npy", pixels)
                pixels = _average_half(pixels) if layer == IMAGE_LAYER else pixels[::2, ::2]
        if map_content is not None:
            (folder / MAP_NAME).write_bytes(map_content)
        with self._lock:
            self._sizes[name] = sum(path.stat().st_size for path in folder.iterdir())
            while len(self._sizes) > 1 and (
                len(self._sizes) > MAX_RESULTS or sum(self._sizes.values()) > self.max_bytes
            ):
                oldest, _ = self._sizes.popitem(last=False)
                shutil.rmtree(self.folder / oldest, ignore_errors=True)
        return CachedResult(name, levels, tuple(pictures), map_content is not None)

    def read_tile(self, name: str, layer: str, level: int, row: int, column: int) -> bytes:
        """Return a part of a picture as PNG, TILE_SIZE pixels on each side, fewer at the borders.

        Raises:
            HTTPProblem: The result does not exist any more, or has no such tile (404).
        """
        try:
            pixels: Pixels = np.load(self._path(name, f"{layer}.{level}.npy"), mmap_mode="r")
        except OSError as error:  # removed in the meantime
            raise _missing_result() from error
        rows, columns = (slice(index * TILE_SIZE, (index + 1) * TILE_SIZE) for index in (row, column))
        part = pixels[rows, columns]
        if not part.size:
            raise HTTPProblem(404, f"the level {level} has no tile {row}, {column}")
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(part)).save(out, "PNG")
        return out.getvalue()

    def read_map(self, name: str) -> bytes:
        """Return the map of a result.

        Raises:
            HTTPProblem: The result does not exist any more, or it has no map (404).
        """
        try:
            return self._path(name, MAP_NAME).read_bytes()
        except OSError as error:
            raise _missing_result() from error

    def _path(self, name: str, file: str) -> Path:
        with self._lock:
            if name not in self._sizes:
                raise _missing_result()
        return self.folder / name / file


def count_levels(height: int, width: int) -> int:
    """Return the number of zoom levels until the whole picture fits into one tile."""
    return 1 + max(0, (-(-max(height, width) // TILE_SIZE) - 1).bit_length())


def _average_half(pixels: Pixels) -> Pixels:
    """Return averages of 2 x 2 pixels, weighted by their opacity."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).reduce(2))


def _missing_result() -> HTTPProblem:
    return HTTPProblem(404, "unknown result; results are kept for a limited time, so send the image again")
