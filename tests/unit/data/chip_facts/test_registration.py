"""Shifts of dates and labels, on fields that are shifted by known parts of a pixel."""

import numpy as np
import pytest

from instageo.data.chip_facts.label_registration import label_shift
from instageo.data.chip_facts.registration import phase_shift
from tests.cleaning import ground_chip, smooth_noise


def shifted(field, rows, columns):
    """Return a periodic field (H, W) that lies further down and right, exactly."""
    height, width = field.shape
    phase = np.fft.fftfreq(height)[:, None] * rows + np.fft.fftfreq(width)[None] * columns
    return np.fft.ifft2(np.fft.fft2(field) * np.exp(-2j * np.pi * phase)).real


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (1, 0), (0.4, -2.3), (-5.5, 3.1), (7, -7)])
def test_shifts_are_found_to_a_tenth_of_a_pixel(rows, columns):
    field = smooth_noise(np.random.default_rng(3), 128, 1.0)
    shift = phase_shift(field.astype(np.float32), shifted(field, rows, columns).astype(np.float32), "date 2")
    assert (shift.rows, shift.columns) == pytest.approx((rows, columns), abs=0.1)
    assert shift.pixels == pytest.approx(np.hypot(rows, columns), abs=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_unrelated_images_tell_nothing(seed):
    rng = np.random.default_rng(seed)
    one, other = (smooth_noise(rng, 64, 1.0).astype(np.float32) for _ in range(2))
    assert phase_shift(one, other, "date 2") is None


def test_flat_and_tiny_images_tell_nothing():
    field = smooth_noise(np.random.default_rng(4), 64, 1.0).astype(np.float32)
    assert phase_shift(field, np.zeros_like(field), "date 2") is None
    assert phase_shift(field[:8, :8], field[:8, :8], "date 2") is None


def image_and_label(seed, size=128):
    values, label = ground_chip(np.random.default_rng(seed), size)
    return values.astype(np.float32).mean(axis=0), label[0]


@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (5, 0), (-4, 3), (-6, -6)])
def test_a_label_that_is_shifted_against_the_borders_in_its_image_is_found(rows, columns):
    image, label = image_and_label(5)
    moved = np.roll(label, (rows, columns), axis=(0, 1))
    shift = label_shift(image, moved, np.ones(label.shape, bool))
    assert (shift.rows, shift.columns) == (rows, columns)


@pytest.mark.parametrize("seed", range(8))
def test_labels_in_place_or_of_something_else_are_no_finding(seed):
    image, label = image_and_label(seed)
    everywhere = np.ones(label.shape, bool)
    assert label_shift(image, label, everywhere) is None
    assert label_shift(image, image_and_label(seed + 100)[1], everywhere) is None


def test_labels_with_few_borders_tell_nothing():
    image, label = image_and_label(6)
    moved = np.roll(label, 5, axis=1)
    assert label_shift(image, np.zeros_like(label), np.ones(label.shape, bool)) is None
    sparse = np.zeros(label.shape, bool)
    sparse[::4, ::4] = True
    assert label_shift(image, moved, sparse) is None
