"""Cut a scene and its label map into chips on a regular grid."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.errors import RasterError
from instageo.raster.grid import Raster, RasterInfo, crop
from instageo.raster.reading import read_info, read_raster
from instageo.raster.writing import write_raster
from instageo.wording import counted


@dataclass(frozen=True)
class ChipRecord:
    """A chip that was written.

    Attributes:
        input: Path of the chip, relative to the output folder.
        label: Path of its label, relative to the output folder.
        row: First row in the scene.
        column: First column in the scene.
        class_counts: Number of usable labelled pixels by label value.
    """

    input: str
    label: str
    row: int
    column: int
    class_counts: dict[int, int]


@dataclass(frozen=True)
class CutReport:
    """Chips that were written, and why others were dropped.

    Attributes:
        chips: In row-major order.
        dropped: Number of dropped chips by reason.
    """

    chips: tuple[ChipRecord, ...]
    dropped: dict[str, int]

    def summary(self) -> str:
        """Return one line for the log."""
        return f"kept {counted(len(self.chips), 'chip')}, dropped {sum(self.dropped.values())}: {self.dropped}"


def cut_chips(
    scene: str | Path, label: str | Path, folder: str | Path, *, size: int, min_labelled: float = 0.05
) -> CutReport:
    """Cut a scene and its label map into chips that do not overlap; chips at the border may be smaller.

    Args:
        scene: Raster of bands.
        label: Raster of one layer on the same grid.
        folder: Output folder for `chips/chip_ROW_COLUMN.tif` and `labels/label_ROW_COLUMN.tif`.
        size: Side of a chip, pixels.
        min_labelled: Smallest share of a chip's pixels that have all bands and a label, in 0..1.

    Raises:
        RasterError: A file is unreadable, their grids differ, or the label has several layers.
    """
    scene_info, label_info = read_info(scene), read_info(label)
    image, truth = read_raster(scene, range(scene_info.num_layers)), read_raster(label)
    if len(truth.values) != 1:
        raise RasterError(f"{label}: has {len(truth.values)} layers; expected a label of one layer")
    if not image.grid.matches(truth.grid):
        raise RasterError(f"{label}: does not lie on the grid of {scene}; resample it to that grid first")
    chips, dropped = [], Counter[str]()
    for row in range(0, image.grid.height, size):
        for column in range(0, image.grid.width, size):
            height, width = min(size, image.grid.height - row), min(size, image.grid.width - column)
            chip, chip_label = crop(image, row, column, height, width), crop(truth, row, column, height, width)
            observed = np.all(chip.valid, axis=0)
            if scene_info.alpha_layer is not None:
                observed &= chip.values[scene_info.alpha_layer] > 0
            usable = chip_label.values[0][observed & chip_label.valid[0]]
            if usable.size / (height * width) < min_labelled:
                dropped[f"under {min_labelled:.0%} usable pixels"] += 1
                continue
            values, counts = np.unique(usable, return_counts=True)
            record = ChipRecord(
                input=f"chips/chip_{row:04}_{column:04}.tif",
                label=f"labels/label_{row:04}_{column:04}.tif",
                row=row,
                column=column,
                class_counts=dict(zip(values.astype(int).tolist(), counts.tolist(), strict=True)),
            )
            _write(chip, Path(folder, record.input), scene_info)
            _write(chip_label, Path(folder, record.label), label_info)
            chips.append(record)
    return CutReport(tuple(chips), dict(dropped))


def _write(raster: Raster, path: Path, info: RasterInfo) -> None:
    """Write a part of a file so that the same values are observations as in the file.

    Others become no-data. If that value also occurs as an observation, or the type has none, all layers are masked.
    """
    values, no_data = raster.values, info.no_data_value
    valid: NDArray[np.bool_] | None = None
    if no_data is None and values.dtype.kind == "f":
        no_data = np.nan
    if no_data is None or (raster.valid & (values == no_data)).any():
        no_data, valid = None, np.all(raster.valid, axis=0)
    else:
        values = np.where(raster.valid, values, values.dtype.type(no_data))
    write_raster(path, values, raster.grid, no_data_value=no_data, bands=raster.bands, valid=valid, source=info)
