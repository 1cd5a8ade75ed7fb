"""Predictions for one image, which can be saved, drawn and measured; image-level predictions are maps of one pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instageo.arguments import as_path
from instageo.errors import DataError
from instageo.files import write_text
from instageo.model.figures.colors import class_colors
from instageo.model.figures.qgis_style import render_qml, style_path
from instageo.raster.data_array import to_data_array
from instageo.raster.grid import Grid
from instageo.raster.pixel_area import compute_pixel_areas
from instageo.raster.writing import ClassLegend, write_raster

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

KM2 = {"km2": 1.0, "ha": 100.0, "m2": 1e6}
"""Units of area by name, per square kilometre."""


@dataclass(frozen=True)
class ClassPrediction:
    """The class of each pixel.

    Attributes:
        classes: Shape (H, W), uint8 (uint16 above 254 classes); `no_data_value` where nothing was observed.
        probabilities: Shape (K, H, W), float32, summing to 1 over K; NaN where nothing was observed.
        valid: Shape (H, W), False where nothing was observed.
        no_data_value: 255, or 65535 above 254 classes.
        grid: Grid of the input; None for arrays.
        source: File of the input, which `save` does not overwrite; None for arrays and URLs.
        class_names: Names of the K classes; empty for their numbers.
        class_colors: Red, green, blue in 0..255 of each class; None for the usual ones of their names.
        unlike_training: Bands whose values are higher or lower than those of nearly all training chips, by name.
    """

    classes: NDArray[np.unsignedinteger]
    probabilities: NDArray[np.float32]
    valid: NDArray[np.bool_]
    no_data_value: int
    grid: Grid | None = None
    class_names: tuple[str, ...] = ()
    class_colors: Sequence[Sequence[int]] | None = None
    source: Path | None = None
    unlike_training: Mapping[str, str] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write the classes as GeoTIFF with no-data, class names and colours, as `mode=chip_inference` does.

        The file of the same name with the ending `.qml` next to it holds the legend as QGIS reads it.

        Raises:
            DataError: It is a prediction of an array, or of a whole chip, which is not a map; or the path is its input.
            RasterError: The file cannot be written.
        """
        _check_output(path, self.source)
        grid, style = _map_grid(self.grid, self.valid), style_path(Path(path))
        write_text(style, render_qml(self._names, self._colors))
        write_raster(
            path,
            self.classes[None],
            grid,
            no_data_value=self.no_data_value,
            bands=["class"],
            legend=ClassLegend(self._names, self._colors),
        )

    def plot(self) -> "Figure":
        """Draw the classes in their colours, with a legend, as a matplotlib figure."""
        from instageo.model.figures.maps import draw_classes

        return draw_classes(self.classes, self.valid, self._names, self._colors, self.grid)

    def to_xarray(self) -> "xarray.DataArray":
        """Return the classes as a DataArray (y, x) with coordinates, CRS and no-data as rioxarray reads them.

        Raises:
            MissingExtraError: xarray is not installed.
        """
        flags = {"flag_values": list(range(len(self._names))), "flag_meanings": " ".join(map(_one_word, self._names))}
        return to_data_array(self.classes, self.grid, name="class", no_data_value=self.no_data_value, attributes=flags)

    def areas(self, unit: str = "ha") -> dict[str, float]:
        """Return the ground area of each class by its name.

        Areas are those on the ellipsoid WGS 84, in a projected CRS, too.

        Args:
            unit: `ha`, `km2` or `m2`.

        Raises:
            DataError: The map has no georeference, or is not a map.
        """
        if unit not in KM2:
            raise ValueError(f"unit is {unit!r}; expected one of {', '.join(KM2)}")
        pixel_areas = compute_pixel_areas(_map_grid(self.grid, self.valid))
        if pixel_areas is None:
            raise DataError("the map has no georeference that areas can be computed from")
        return {
            name: pixel_areas.sum_km2(self.classes == number) * KM2[unit] for number, name in enumerate(self._names)
        }

    @property
    def _names(self) -> tuple[str, ...]:
        return self.class_names or tuple(map(str, range(len(self.probabilities))))

    @property
    def _colors(self) -> dict[int, tuple[int, int, int]]:
        return class_colors(self.class_colors, self._names)


@dataclass(frozen=True)
class MultiLabelPrediction:
    """The labels, out of several, that apply to each pixel.

    Attributes:
        applies: Shape (K, H, W), uint8: 1 where a label applies, 0 where not, 255 where nothing was observed.
        probabilities: Shape (K, H, W), float32, each in 0..1; NaN where nothing was observed.
        valid: Shape (H, W), False where nothing was observed.
        no_data_value: 255.
        grid: Grid of the input; None for arrays.
        source: File of the input, which `save` does not overwrite; None for arrays and URLs.
        class_names: Names of the K labels; empty for their numbers.
        unlike_training: Bands whose values are higher or lower than those of nearly all training chips, by name.
    """

    applies: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    valid: NDArray[np.bool_]
    no_data_value: int = 255
    grid: Grid | None = None
    class_names: tuple[str, ...] = ()
    source: Path | None = None
    unlike_training: Mapping[str, str] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Raise a DataError, since image-level labels are not a map."""
        raise DataError(f"{path}: image-level labels cannot be written as a map")

    def plot(self) -> "Figure":
        """Draw the probability of each label as a matplotlib figure."""
        from instageo.model.figures.maps import draw_probabilities

        names = self.class_names or tuple(map(str, range(len(self.probabilities))))
        return draw_probabilities(self.probabilities[:, 0, 0], names)


@dataclass(frozen=True)
class RegressionPrediction:
    """The value of each pixel, in the unit of the labels.

    Attributes:
        values: Shape (H, W), float32; NaN where nothing was observed.
        valid: Shape (H, W), False where nothing was observed.
        quantiles: By level in 0..1, values below which that share of outcomes is expected, shape (H, W) each; empty
            unless the network was trained to predict them.
        no_data_value: NaN.
        grid: Grid of the input; None for arrays.
        source: File of the input, which `save` does not overwrite; None for arrays and URLs.
        unlike_training: Bands whose values are higher or lower than those of nearly all training chips, by name.
    """

    values: NDArray[np.float32]
    valid: NDArray[np.bool_]
    quantiles: Mapping[float, NDArray[np.float32]] = field(default_factory=dict)
    no_data_value: float = np.nan
    grid: Grid | None = None
    source: Path | None = None
    unlike_training: Mapping[str, str] = field(default_factory=dict)

    def save(self, path: str | Path) -> None:
        """Write values, followed by quantiles, as float32 GeoTIFF in natural units, as `mode=chip_inference` does.

        Raises:
            DataError: It is a prediction of an array, or of a whole chip, which is not a map; or the path is its input.
            RasterError: The file cannot be written.
        """
        _check_output(path, self.source)
        layers = np.stack([self.values, *self.quantiles.values()])
        bands = ["value", *(f"quantile_{level:g}" for level in self.quantiles)]
        grid = _map_grid(self.grid, self.valid)
        write_raster(path, layers, grid, no_data_value=self.no_data_value, bands=bands)

    def plot(self) -> "Figure":
        """Draw the values, with a scale of colours, as a matplotlib figure."""
        from instageo.model.figures.maps import draw_values

        return draw_values(self.values, self.grid)

    def to_xarray(self) -> "xarray.DataArray":
        """Return the values as a DataArray (y, x) with coordinates, CRS and no-data as rioxarray reads them.

        Raises:
            MissingExtraError: xarray is not installed.
        """
        return to_data_array(self.values, self.grid, name="value", no_data_value=self.no_data_value)


Prediction = ClassPrediction | MultiLabelPrediction | RegressionPrediction


def _check_output(path: object, source: Path | None) -> None:
    """Raise if a map cannot be written under a path: its name belongs to another format, or it is the map's input."""
    name = as_path("path", path)
    suffix = Path(name).suffix.lower()
    if suffix not in ("", ".tif", ".tiff"):
        raise DataError(
            f"{name}: a map is written as GeoTIFF; name it .tif, or write a picture with plot().savefig({name!r})"
        )
    path = Path(name)
    if source is not None and Path(path).expanduser().resolve() == source:
        raise DataError(f"{path}: the map would overwrite the image it was predicted from; choose another path")


def _map_grid(grid: Grid | None, valid: NDArray[np.bool_]) -> Grid:
    """Return the grid of a map.

    Raises:
        DataError: The prediction is of an array, or of a whole chip.
    """
    if grid is None:
        raise DataError("a prediction of an array has no grid; predict from a file, or use its arrays")
    if grid.shape != valid.shape:
        raise DataError("a prediction of a whole chip is not a map; use its arrays")
    return grid


def _one_word(name: str) -> str:
    return "_".join(name.split())
