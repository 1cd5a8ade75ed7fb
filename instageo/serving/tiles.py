"""The newest results of the page: pictures as tiles, and the map to download."""

import io
import secrets
import shutil
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from instageo.serving.errors import HTTPProblem

TILE = 256
"""Side of a tile, pixels."""

KEPT = 32
"""Results, at the most."""

MAP = "prediction.tif"
"""The file to download."""

MIXED = "image"
"""The picture whose colours may be mixed."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class CachedResult:
    """What is kept of one result.

    Attributes:
        name: What it is asked for by; nobody can guess it.
        levels: Of its pictures: each has half the pixels of the one before, the last fits into one tile.
        layers: Names of its pictures.
        download: Whether there is a map.
    """

    name: str
    levels: int
    layers: tuple[str, ...]
    download: bool


class ResultCache:
    """Files of the newest results; the oldest goes first.

    Args:
        most: Bytes of all; the newest stays, however large it is.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._scratch = tempfile.TemporaryDirectory(prefix="instageo-results-")  # goes with the process
        self.folder = Path(self._scratch.name)
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def keep(self, pictures: dict[str, Pixels], content: bytes | None) -> CachedResult:
        """Keep pictures of one size, (H, W, 4), and a map.

        The image becomes smaller by means of four pixels, a prediction by every second, so that no colour is mixed.
        """
        name = secrets.token_urlsafe(16)
        folder = self.folder / name
        folder.mkdir()
        levels = max(level_count(*pixels.shape[:2]) for pixels in pictures.values())
        for layer, pixels in pictures.items():
            for level in range(levels):
                np.save(folder / f"{layer}.{level}.npy", pixels)
                pixels = _half(pixels) if layer == MIXED else pixels[::2, ::2]
        if content is not None:
            (folder / MAP).write_bytes(content)
        with self._lock:
            self._sizes[name] = sum(path.stat().st_size for path in folder.iterdir())
            while len(self._sizes) > 1 and (len(self._sizes) > KEPT or sum(self._sizes.values()) > self.most):
                oldest, _ = self._sizes.popitem(last=False)
                shutil.rmtree(self.folder / oldest, ignore_errors=True)
        return CachedResult(name, levels, tuple(pictures), content is not None)

    def tile(self, name: str, layer: str, level: int, row: int, column: int) -> bytes:
        """A part of a picture as PNG, TILE pixels on each side, less at the borders.

        Raises:
            Refused: There is no such result any more, or no such tile (404).
        """
        from PIL import Image

        place = self._place(name, f"{layer}.{level}.npy")
        try:
            pixels: Pixels = np.load(place, mmap_mode="r")
        except OSError as error:  # it went in the meantime
            raise _gone() from error
        part = pixels[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
        if not part.size:
            raise HTTPProblem(404, f"the level {level} has no tile {row}, {column}")
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(part)).save(out, "PNG")
        return out.getvalue()

    def download(self, name: str) -> bytes:
        """The map to download.

        Raises:
            Refused: There is none (404).
        """
        try:
            return self._place(name, MAP).read_bytes()
        except OSError as error:
            raise _gone() from error

    def _place(self, name: str, file: str) -> Path:
        with self._lock:
            known = name in self._sizes
        if not known:
            raise _gone()
        return self.folder / name / file


def _half(pixels: Pixels) -> Pixels:
    """Means of 2 x 2 pixels, weighted by what of them is seen."""
    from PIL import Image

    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).reduce(2))


def level_count(height: int, width: int) -> int:
    """Levels until the whole picture fits into one tile."""
    return 1 + max(0, (-(-max(height, width) // TILE) - 1).bit_length())


def _gone() -> HTTPProblem:
    return HTTPProblem(404, "there is no such result any more; ask for it again")
