"""Tables of chips with places, for tests of splitting, and distances by another implementation."""

import csv
from pathlib import Path

import numpy as np

CHIP_KM = 6.72
"""Side of a chip of 224 pixels of 30 m."""


def write_rows(path, rows):
    """Write rows, dictionaries with the same keys, and return the path."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return Path(path)


def read_rows(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def clustered(count, seed=0, per_cluster=50):
    """Places in clusters of some 5 km, anywhere in a part of Africa, shape (count, 2)."""
    rng = np.random.default_rng(seed)
    centers = np.c_[rng.uniform(-20, 50, count // per_cluster), rng.uniform(-30, 30, count // per_cluster)]
    return centers[rng.integers(0, len(centers), count)] + rng.normal(0, 0.05, (count, 2))


def dense(count, seed=0):
    """Places all over an area of 1,000 km x 700 km."""
    rng = np.random.default_rng(seed)
    return np.c_[rng.uniform(0, 9, count), rng.uniform(40, 49, count)]


def chip_rows(lonlat, first=0):
    """Rows with a chip at each place, whose files do not exist; dates over two years, four classes, eleven events."""
    return [
        {
            "Input": f"chips/chip_{number:06}.tif", "Label": number * 7 % 4,
            "dates": f"{2020 + number % 2}-{1 + number % 12:02}-{1 + number % 28:02}",
            "lat": f"{latitude:.6f}", "lon": f"{longitude:.6f}", "event": f"event {number % 11}",
        }
        for number, (longitude, latitude) in enumerate(lonlat, first)
    ]  # fmt: skip


def places(rows):
    return np.array([[float(row["lon"]), float(row["lat"])] for row in rows])


def least_gap_km(first, second, chip_km=CHIP_KM):
    """The least distance of two sets of chips by the haversine formula over all pairs, less both half diagonals."""
    (lon1, lat1), (lon2, lat2) = np.radians(places(first)).T, np.radians(places(second)).T
    least = np.inf
    for start in range(0, len(lon1), 500):
        part = slice(start, start + 500)
        a = np.sin((lat2[None] - lat1[part, None]) / 2) ** 2
        a += np.cos(lat1[part, None]) * np.cos(lat2)[None] * np.sin((lon2[None] - lon1[part, None]) / 2) ** 2
        least = min(least, float((2 * 6371.0088 * np.arcsin(np.sqrt(a))).min()))
    return least - chip_km * np.sqrt(2)
