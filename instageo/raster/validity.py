"""Decide which stored values are observations: finite, not no-data, and not excluded by the file's masks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from instageo.errors import RasterError
from instageo.raster.writing import is_representable

Mask = NDArray[np.bool_]

ALL_VALID, NO_DATA = frozenset({MaskFlags.all_valid}), frozenset({MaskFlags.nodata})
"""Flags of layers without a mask, and of those that have a no-data tag alone."""


def validity_mask(
    values: NDArray[np.generic], tags: Sequence[float | None], no_data_value: float | None, mask: Mask | None = None
) -> Mask:
    """Return where values (L, H, W) are observations.

    Args:
        values: Layers as stored.
        tags: No-data tag of each layer, or None.
        no_data_value: Further value that means "no observation" in all layers.
        mask: False where the masks of the file exclude values, shape (L, H, W) or (1, H, W); None without masks.
    """
    stored_tags = {stored_value(tag, values.dtype) for tag in tags}
    if len(stored_tags) > 1:
        layers = [validity_mask(values[[layer]], [tag], no_data_value) for layer, tag in enumerate(tags)]
        valid = np.concatenate(layers)
    else:
        observed = [np.isfinite(values)] if values.dtype.kind == "f" else []
        excluded = {*stored_tags, stored_value(no_data_value, values.dtype)}
        observed += [values != values.dtype.type(no_data) for no_data in excluded if no_data is not None]
        valid = reduce(np.logical_and, observed) if observed else np.ones(values.shape, dtype=bool)
    if mask is not None:
        valid &= mask
    return valid


@lru_cache(maxsize=256, typed=True)  # 255 stays 255, and 255.0 stays 255.0
def stored_value(no_data: float | None, dtype: np.dtype[np.generic]) -> float | None:
    """Return how a type stores a no-data value, or None if no finite pixel can have it.

    Beyond the range of a floating-point type it means the lowest or highest finite value, as in GDAL: float32 files may
    be tagged with the limits of float64, or with a rounded text of their own.
    """
    if no_data is None or math.isnan(no_data):
        return None
    if dtype.kind == "f":
        limit = float(np.finfo(dtype.name).max)
        return min(max(no_data, -limit), limit)
    return no_data if is_representable(no_data, dtype) else None


@dataclass(frozen=True)
class FileMasks:
    """The masks of a file: inside a TIFF, in a `.msk` side-car file, by the tag NODATA_VALUES, or an alpha layer.

    Attributes:
        flags: GDAL's mask flags of each layer that has a mask other than an alpha layer.
        alpha_layer: 0-based position of the layer that is marked as alpha, or None.
        exact_tags: Layers whose no-data tag is a 64-bit integer. rasterio rounds or hides it, GDAL's mask honours it.
    """

    flags: Mapping[int, frozenset[MaskFlags]]
    alpha_layer: int | None
    exact_tags: frozenset[int]

    @staticmethod
    def of(source: DatasetReader) -> "FileMasks":
        """Return the masks of an open file; pixels are not read."""
        kinds, flags = source.colorinterp, list(enumerate(map(frozenset, source.mask_flag_enums)))
        alpha = [layer for layer, kind in enumerate(kinds) if kind is ColorInterp.alpha and len(kinds) > 1]
        return FileMasks(
            {layer: own for layer, own in flags if own not in (ALL_VALID, NO_DATA) and MaskFlags.alpha not in own},
            alpha[-1] if alpha else None,
            frozenset(layer for layer, own in flags if own == NO_DATA and source.dtypes[layer] in ("int64", "uint64")),
        )

    def kind(self, source: DatasetReader) -> str | None:
        """Return what holds the mask of the file, apart from an alpha layer, for messages; None without one."""
        if not self.flags:
            return None
        if any(MaskFlags.nodata in own for own in self.flags.values()):
            return "NODATA_VALUES"
        return "side-car" if any(str(file).endswith(".msk") for file in source.files) else "internal"

    def tags(self, source: DatasetReader, layers: Sequence[int]) -> list[float | None]:
        """Return the no-data tag of each layer; None where it is missing, or where `read` considers it."""
        return [None if layer in self.exact_tags else source.nodatavals[layer] for layer in layers]

    def read(
        self,
        path: str | Path,
        source: DatasetReader,
        layers: Sequence[int],
        window: tuple[tuple[int, int], tuple[int, int]] | None,
    ) -> Mask | None:
        """Read where the masks exclude no value. An alpha layer counts as a mask unless it is one of the layers.

        Args:
            path: The file, for messages.
            source: The open file.
            layers: 0-based positions.
            window: Ends of rows and of columns; None for all.

        Returns:
            Shape (L, H, W), or (1, H, W) if it is the same for all layers; None without a mask.

        Raises:
            RasterError: A mask cannot be read.
        """
        masked = [layer in self.flags or layer in self.exact_tags for layer in layers]
        mask = None
        try:
            if any(masked):
                is_shared = all(MaskFlags.per_dataset in self.flags.get(layer, ()) for layer in layers)
                layers_of_mask = layers[:1] if is_shared else layers
                mask = source.read_masks([layer + 1 for layer in layers_of_mask], window=window) > 0
                mask[[not is_masked for is_masked in masked[: len(mask)]]] = True
            if self.alpha_layer is not None and self.alpha_layer not in layers:
                opaque = source.read([self.alpha_layer + 1], window=window) > 0
                mask = opaque if mask is None else mask & opaque
        except RasterioError as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise RasterError(
                f"{path}: its mask cannot be read ({reason}); a mask needs as many rows and columns as its raster: "
                "write it again, or remove it"
            ) from error
        return mask
