"""Read the chips of `chips.py` as rslearn's data sources do, in an environment that has rslearn.

PYTHON benchmarks/chips_rslearn.py JOBS.json VALUES.npz

JOBS.json has the URLs, the corners of the chips in pixels (row, column), their side, the transform and the CRS of the
tile, and the threads. Prints wall and CPU seconds as JSON.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import shapely
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rslearn.const import WGS84_PROJECTION
from rslearn.data_sources.data_source import Item
from rslearn.data_sources.direct_materialize_data_source import DirectMaterializeDataSource
from rslearn.utils.geometry import Projection, STGeometry


class Assets(DirectMaterializeDataSource[Item]):
    """Assets behind URLs, each an item with one band."""

    def get_asset_url(self, item: Item, asset_key: str) -> str:  # noqa: ARG002
        """Return the URL."""
        return str(item.name)

    def get_items(self, geometries: Any, query_config: Any) -> Any:
        """Searching is no part of the benchmark."""
        raise NotImplementedError

    def deserialize_item(self, serialized_item: Any) -> Item:
        """Return an item from a plain value."""
        return Item.deserialize(serialized_item)


def main() -> None:
    """Read every chip of every asset."""
    with open(sys.argv[1], encoding="utf-8") as file:
        jobs = json.load(file)
    source, side = Assets({"asset": ["band"]}), jobs["side"]
    scale, _, left, _, down, top = jobs["transform"]
    projection = Projection(CRS.from_string(jobs["crs"]), scale, down)
    anywhere = STGeometry(WGS84_PROJECTION, shapely.box(-180, -90, 180, 90), None)
    items = [Item(url, anywhere) for url in jobs["urls"]]

    def read(job: tuple[Item, tuple[int, int]]) -> Any:
        item, (row, column) = job
        x, y = round(left / scale) + column, round(top / down) + row
        bounds = (x, y, x + side, y + side)
        return source.read_raster("chips", item, ["band"], projection, bounds, Resampling.nearest).get_chw_array()[0]

    start, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(jobs["threads"]) as pool:
        found = list(pool.map(read, [(item, corner) for item in items for corner in jobs["corners"]]))
    print(json.dumps({"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}))
    np.savez(sys.argv[2], values=np.stack(found).reshape(len(items), -1, side, side))


if __name__ == "__main__":
    main()
