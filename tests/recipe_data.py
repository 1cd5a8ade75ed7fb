"""Tiny data sets in the layouts of the recipes, as their public places have them."""

import tarfile
import zipfile

import numpy as np
from affine import Affine

from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster
from tests.items import lonlat_of, tile_grid, write_catalog, write_points

SIDE = 32
PARTS = {"train": 3, "val": 1, "test": 1}

REPLICAS = {
    "sen1floods-hls-replica": (1, (-1, 2)),
    "sen1floods-s2-replica": (1, (-1, 2)),
    "multitemporal-crop-classification-replica": (3, (0, 14)),
    "multitemporal-crop-segmentation-US-CDL-2022": (3, (0, 14)),
    "multitemporal-crop-segmentation-US-CDL-2024": (3, (0, 14)),
    "locust_breeding": (3, (-1, 2)),
    "locust-replica": (3, (-1, 2)),
}
"""Number of dates and range of the labels, by folder in the bucket."""


def write_places(root):
    """Write the buckets and the data sets at Hugging Face below a folder."""
    write_floods(root)
    for name, (dates, labels) in REPLICAS.items():
        write_replica(root / "instageo" / "data" / name, dates, labels)
    write_crops(root)
    write_burn_scars(root)
    write_events(root)
    write_cropland(root)


def write_pair(chip, label, layers, labels, *, seed=0, kind=np.int16, scale=1):
    """Write a chip and its label."""
    rng = np.random.default_rng(seed)
    grid = Grid("EPSG:32614", Affine(30, 0, 500_000 + 960 * seed, 0, -30, 4_000_000), SIDE, SIDE)
    values = (rng.integers(500, 4000, (layers, SIDE, SIDE)) * scale).astype(kind)
    write_raster(chip, values, grid)
    write_raster(label, rng.integers(*labels, (1, SIDE, SIDE)).astype(np.int16), grid)


def write_floods(root):
    """Write Sen1Floods11 with both sensors, and its lists: one of file names, two with the columns of a table."""
    hand = root / "sen1floods11" / "v1.1" / "data" / "flood_events" / "HandLabeled"
    names = [f"Ghana_{number}" for number in range(5)]
    for number, name in enumerate(names):
        label = hand / "LabelHand" / f"{name}_LabelHand.tif"
        write_pair(hand / "S2Hand" / f"{name}_S2Hand.tif", label, 13, (-1, 2), seed=number)
        radar = hand / "S1Hand" / f"{name}_S1Hand.tif"
        write_pair(radar, label, 2, (-1, 2), seed=number, kind=np.float32, scale=-0.005)
    lists = root / "instageo" / "data" / "sen1floods11"
    lists.mkdir(parents=True)
    lines = [f"{name}_S1Hand.tif,{name}_LabelHand.tif" for name in names[:3]]
    (lists / "flood_train_data.csv").write_text("\n".join(lines) + "\n")
    for part, name in (("valid", names[3]), ("test", names[4])):
        row = f"S2Hand/{name}_S2Hand.tif,LabelHand/{name}_LabelHand.tif"
        (lists / f"flood_{part}_data.csv").write_text(f"Input,Label\n{row}\n")


def write_replica(folder, dates, labels):
    """Write chips with tables of their own, whose paths begin with a bucket that is elsewhere."""
    number = 0
    for part, count in PARTS.items():
        rows = ["Input,Label"]
        for _ in range(count):
            chip, label = f"chips/chip_{number}.tif", f"seg_maps/seg_map_{number}.tif"
            write_pair(folder / chip, folder / label, 6 * dates, labels, seed=number)
            rows.append(f"elsewhere/{chip},elsewhere/{label}")
            number += 1
        (folder / f"{part}.csv").write_text("\n".join(rows) + "\n")


def write_crops(root):
    """Write the archives and lists of the multi-temporal crops."""
    hub = root / "hub" / "ibm-nasa-geospatial" / "multi-temporal-crop-classification"
    hub.mkdir(parents=True)
    for part, count in (("training", 3), ("validation", 1)):
        names = [f"chip_{number:03}_{len(part):03}" for number in range(count)]
        with tarfile.open(hub / f"{part}_chips.tgz", "w:gz") as archive:
            for number, name in enumerate(names):
                chip, label = root / f"{name}_merged.tif", root / f"{name}.mask.tif"
                write_pair(chip, label, 18, (0, 14), seed=number)
                for file in (chip, label):
                    archive.add(file, f"{part}_chips/{file.name}")
                    file.unlink()
        (hub / f"{part}_data.txt").write_text("\n".join(names) + "\n")


def write_burn_scars(root):
    """Write the archive of the burn scars."""
    hub = root / "hub" / "ibm-nasa-geospatial" / "hls_burn_scars"
    hub.mkdir(parents=True)
    with tarfile.open(hub / "hls_burn_scars.tar.gz", "w:gz") as archive:
        for number in range(4):
            name = f"subsetted_512x512_HLS.S30.T10SDH.202024{number}.v1.4"
            chip, label = root / f"{name}_merged.tif", root / f"{name}.mask.tif"
            write_pair(chip, label, 6, (-1, 2), seed=number, kind=np.float32, scale=1e-4)
            for file in (chip, label):
                archive.add(file, f"{'training' if number < 3 else 'validation'}/{file.name}")
                file.unlink()


TILE, TILE_SIZE = "32TPM", 1830
"""Tile of the catalogue, with pixels of 60 m."""

EVENTS = (
    "Bolivia",
    "India",
    "Mekong",
    "Nigeria",
    "Pakistan",
    "Paraguay",
    "Somalia",
    "Sri-Lanka",
    "Ghana",
    "USA",
    "Spain",
)
"""Events of Sen1Floods11; the last three have images in the catalogue."""

OLD_ITEMS = "items_lpdaac.json"

DAYS = ("2018-09-18", "2019-05-22", "2019-09-17", "2022-04-18", "2022-07-17", "2022-08-16", "2022-09-15")
"""Days of the last three events; then three dates 30 days apart, and one of the spring before."""


def write_catalog_of_tiles(folder):
    """Write the images of the tile, and return their list; another one says that they are from LP DAAC."""
    path = write_catalog(folder, tiles=(TILE,), days=DAYS, size=TILE_SIZE)
    text = path.read_text().replace('"planetary"', '"lpdaac"').replace("hls2-s30", "HLSS30_2.0")
    (folder / OLD_ITEMS).write_text(text)
    return path


def places_in_tile(step):
    """Yield rows and columns of the tile, `step` pixels apart."""
    for row in range(40, TILE_SIZE - 120, step):
        for column in range(40, TILE_SIZE - 120, step):
            yield row, column


def write_labels(path, row, column, values):
    """Write a raster of labels on pixels of the tile."""
    write_raster(path, values[None], tile_grid(TILE, TILE_SIZE).window(row, column, *values.shape))


def write_events(root):
    """Write labels of all events of Sen1Floods11."""
    folder = root / "sen1floods11" / "v1.1" / "data" / "flood_events" / "HandLabeled" / "LabelHand"
    rng = np.random.default_rng(0)
    for number, (row, column) in enumerate(places_in_tile(330)):
        event = EVENTS[-3:][number % 3] if number > 8 else EVENTS[number]
        labels = rng.integers(-1, 2, (80, 80)).astype(np.int16)
        write_labels(folder / f"{event}_9{number}_LabelHand.tif", row, column, labels)


def write_cropland(root):
    """Write a Cropland Data Layer with codes of several classes, as an archive."""
    folder = root / "nass"
    folder.mkdir()
    codes = np.array([0, 1, 5, 24, 36, 111, 121, 141, 152, 190, 225], np.uint8)
    values = np.random.default_rng(0).choice(codes, (28, 112)).repeat(16, 0).repeat(16, 1)
    write_labels(root / "2022_30m_cdls.tif", 0, 0, values)  # 2 x 8 chips
    with zipfile.ZipFile(folder / "2022_30m_cdls.zip", "w") as archive:
        archive.write(root / "2022_30m_cdls.tif", "2022_30m_cdls.tif")


def write_inputs(name, folder):
    """Write what the user of a recipe brings."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    if name in ("locust", "aod"):
        points = []
        for number, (row, column) in enumerate(places_in_tile(330)):
            lon, lat = lonlat_of(TILE, row + 60, column + 60, TILE_SIZE)
            points.append(
                (f"{lat:.6f}", f"{lon:.6f}", "2022-09-15", number % 2 if name == "locust" else 0.1 + number / 99)
            )
        path = write_points(folder / "points.csv", points)
        if name == "aod":
            head, *lines = path.read_text().splitlines()
            stations = [f"{line},station {number // 3}" for number, line in enumerate(lines)]
            path.write_text("\n".join([f"{head},station", *stations]) + "\n")
    if name == "biomass":
        for number, (row, column) in enumerate(places_in_tile(400)):
            values = rng.uniform(0, 300, (100, 100)).astype(np.float32)
            write_labels(folder / "labels" / f"plot_{number}_20220915.tif", row, column, values)
