"""What is to be read of a file, and what came of it."""

from dataclasses import dataclass

from instageo.data.output.skipped import Reason
from instageo.raster.grid import Grid


@dataclass(frozen=True)
class AssetRead:
    """Windows to read of a file.

    Attributes:
        href: Address of the file, as the catalogue gives it.
        grids: Windows, on pixels of the file.
    """

    href: str
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class ReadFailure:
    """A file that could not be read.

    Attributes:
        reason: The kind: missing, not readable, or of another grid.
        message: One sentence, without secrets.
        is_lasting: Whether another try is of no use, since the server has answered.
    """

    reason: Reason
    message: str
    is_lasting: bool = False
