"""Shifts between two images of the same ground, by phase correlation, to a tenth of a pixel."""

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_facts.facts import Shift

UPSAMPLING = 10
"""Parts of a pixel that a shift is found to."""

MIN_PEAK, MIN_NOISE_RATIO = 0.06, 8.0
"""Least height of the correlation's peak, 0 to 1, and as a multiple of the deviation of unrelated images, which is one
over the square root of the number of pixels; below it two images have too little in common to be compared."""


def phase_shift(first: NDArray[np.float32], second: NDArray[np.float32], of: str) -> Shift | None:
    """Return how far the second image lies from the first, or None if they have too little in common.

    The peak of the phase correlation gives whole pixels; around it, the correlation is computed at tenths of a pixel by
    a matrix product (Guizar-Sicairos et al. 2008).

    Args:
        first: Shape (H, W), without gaps.
        second: Same shape.
        of: What is compared, for messages.
    """
    from scipy import fft

    if min(first.shape) < 16 or first.std() == 0 or second.std() == 0:
        return None
    taper = np.outer(*(np.hanning(size + 2)[1:-1].astype(np.float32) for size in first.shape))
    spectra = [fft.fft2((image - image.mean()) * taper) for image in (first, second)]
    product = np.conj(spectra[0]) * spectra[1]
    product /= np.maximum(np.abs(product), 1e-12)
    correlation = fft.ifft2(product).real
    peak = np.unravel_index(int(np.argmax(correlation)), correlation.shape)
    whole = [int(index) if index <= size // 2 else int(index) - size
             for index, size in zip(peak, first.shape, strict=True)]  # fmt: skip
    if correlation[peak] < max(MIN_PEAK, MIN_NOISE_RATIO / np.sqrt(correlation.size)):
        return None
    fine = _refine(product, whole)
    return Shift(fine[0], fine[1], of)


def _refine(product: NDArray[np.complex64], whole: list[int]) -> tuple[float, float]:
    """Return the position of the peak within 1.5 pixels of a whole one, to 1 / `UPSAMPLING`."""
    offsets = np.arange(-15, 16) / UPSAMPLING
    height, width = product.shape
    rows, columns = whole[0] + offsets, whole[1] + offsets
    left = np.exp(2j * np.pi * np.outer(rows, np.fft.fftfreq(height)))
    right = np.exp(2j * np.pi * np.outer(np.fft.fftfreq(width), columns))
    fine = (left @ product @ right).real
    row, column = np.unravel_index(int(np.argmax(fine)), fine.shape)
    return float(rows[row]), float(columns[column])
