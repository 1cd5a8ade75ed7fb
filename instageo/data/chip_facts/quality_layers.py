"""Quality layers of chips: which pixels they mark as covered at each date."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_facts.rows import ChipRow
from instageo.data.cleaning.clean_settings import CleanSettings
from instageo.errors import ConfigError, DataError
from instageo.locations import join_location
from instageo.products.quality_flags import FMASK, QA_PIXEL, SCL, Flag, check_flags, marked
from instageo.raster.grid import Grid
from instageo.raster.reading import OpenRaster, read_raster
from instageo.table import cell_text
from instageo.wording import counted

FLAGS: Mapping[str, Mapping[str, Flag]] = {"fmask": FMASK, "scl": SCL, "qa_pixel": QA_PIXEL, "mask": {}}
"""What the values of a quality layer mean, by its kind."""


@dataclass(frozen=True)
class QualityLayers:
    """Where the quality layers of a table's chips are, and which pixels they mark.

    Attributes:
        source: Column of the table with files, or layer of the chips as text.
        kind: A key of `FLAGS`.
        names: Flags that mark a pixel as covered; those that the kind does not have are left out.
        folder: Folder, or URL of one, that paths in the column start from.
    """

    source: str
    kind: str
    names: tuple[str, ...]
    folder: str

    def read(self, row: ChipRow, chip: OpenRaster, steps: int) -> NDArray[np.bool_] | None:
        """Return where pixels are covered at each date, (T, H, W), or None if the row names no quality file.

        Raises:
            RasterError: A file cannot be read.
            DataError: Its grid, or the number of its layers, does not fit the chip.
        """
        if self.source.isdecimal():
            layers = chip.read([int(self.source)]).values
        else:
            text = cell_text(row.record.get(self.source))
            if not text:
                return None
            parts = [part.strip() for part in text.split(";")]
            layers = np.concatenate(
                [self._read_file(join_location(self.folder, part), chip.info.grid) for part in parts]
            )
        if len(layers) not in (1, steps):
            raise DataError(
                f"{row.name}: has {counted(len(layers), 'quality layer')} for {counted(steps, 'date')}; expected one, "
                "or one for each date"
            )
        covered = np.stack([self._covered(layer) for layer in layers])
        return np.broadcast_to(covered, (steps, *covered.shape[1:]))

    def _read_file(self, path: str, grid: Grid) -> NDArray[np.generic]:
        raster = read_raster(path)
        if not raster.grid.matches(grid):
            raise DataError(f"{path}: the grid of this quality file is not that of its chip")
        return raster.values

    def _covered(self, layer: NDArray[np.generic]) -> NDArray[np.bool_]:
        if self.kind == "mask":
            return np.asarray(layer != 0)
        return marked(layer, self.names, FLAGS[self.kind])


def quality_layers(settings: CleanSettings, folder: str, columns: tuple[str, ...]) -> QualityLayers | None:
    """Return where the quality layers are; None if the settings name none.

    Raises:
        ConfigError: The table has no such column, or a flag is unknown.
    """
    if settings.quality is None:
        return None
    if not settings.quality.isdecimal() and settings.quality not in columns:
        raise ConfigError(
            f"quality={settings.quality}: the table has no such column; it has {', '.join(columns)}; a layer of the "
            "chips is given as a number, counted from 0"
        )
    flags = FLAGS[settings.quality_kind]
    all_flags = {name for kind in FLAGS.values() for name in kind}
    applicable = [name for name in settings.mask if name in flags or name not in all_flags]
    names = check_flags(applicable, flags, settings.quality_kind) if flags else ()
    return QualityLayers(settings.quality, settings.quality_kind, names, folder)
