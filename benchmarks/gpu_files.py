"""Chips and maps from files to files on a GPU, and reading and writing alone, for `gpu.py`."""

import cProfile
import io
import os
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import rasterio
from gpu_data import CHIP, say


def time_files(folder: Path, count: int) -> None:
    """Print chips/s of reading and writing alone, by threads and by processes, and of strips of the scene."""
    import torch

    import instageo

    torch.set_num_threads(1)
    get_context("forkserver").set_forkserver_preload(["instageo.model.gpu.batches"])
    model = instageo.load_model(folder / "conv_micro", device="cpu")
    made = model.predict_image(model.read(str(folder / "chips/chip_0.tif"), (), None))
    items = make_items(folder, "written", count)
    time_strips(folder, model)
    FORKED.update(model=model, made=made)
    for title, function in (("reading", _read_one), ("writing", _write_one)):
        for workers in (1, 4, 16):
            few = items[: max(count * workers // 16, 32)]
            with ThreadPoolExecutor(workers) as pool:
                speed_of(
                    f"{title}, {workers} threads",
                    len(few),
                    lambda few=few, function=function: list(pool.map(function, few)),
                )
        for workers in (4, 16):
            with ProcessPoolExecutor(workers, get_context("forkserver"), _start_forked, (dict(FORKED),)) as pool:
                list(pool.map(function, items[: 4 * workers]))  # starts them
                speed_of(
                    f"{title}, {workers} processes",
                    count,
                    lambda function=function: list(pool.map(function, items, chunksize=8)),
                )


def time_strips(folder: Path, model: Any) -> None:
    """Print ground chips/s of reading the scene, with and without scaling."""
    from instageo.model.chips.image import scale_layers
    from instageo.model.scenes.date_layers import ReadingOptions
    from instageo.model.scenes.scene_input import SceneFiles, open_scene_input
    from instageo.raster.scenes import scene_rows
    from instageo.raster.scenes.strips import StripReader

    path = str(folder / "scene.tif")
    source = open_scene_input(SceneFiles(path, (path,)), model, ReadingOptions())
    height, width = source.scene.grid.shape

    def scale(strip: Any) -> Any:
        return replace(strip, values=scale_layers(strip.values, strip.valid, source.chip_format, "", source.scaling))

    for threads, gdal_threads, prepare in (
        (1, 1, None), (1, 16, None), (4, 1, None), (4, 4, None), (16, 1, None), (4, 4, scale), (8, 1, scale),
    ):  # fmt: skip
        scene_rows.GDAL_SETTINGS["GDAL_NUM_THREADS"] = str(gdal_threads)
        options = {} if prepare is None else {"prepare": prepare}
        reader = StripReader(
            source.scene, source.open_rows, slice(0, width), slice(0, height), threads=threads, **options
        )
        title = f"strips, {threads} threads x {gdal_threads} of GDAL{', scaled' if prepare else ''}"
        speed_of(title, height * width / CHIP**2, lambda reader=reader: [None for _ in reader])


def speed_of(title: str, count: float, call: Callable[[], object]) -> None:
    """Print chips/s and CPU ms a chip."""
    wall, before = time.perf_counter(), os.times()
    call()
    wall, after = time.perf_counter() - wall, os.times()
    cpu = after.user + after.system - before.user - before.system
    say(f"{title}: {count / wall:.0f} chips/s, {1e3 * cpu / count:.2f} CPU ms a chip in this process")


def make_items(folder: Path, name: str, count: int) -> Any:
    """Return items of the first chips."""
    from instageo.model.inference.batch import PredictionItem
    from instageo.table import Row

    paths = [folder / f"chips/chip_{number}.tif" for number in range(count)]
    return [PredictionItem(Row(path.name, str(path), None), folder / name / path.name) for path in paths]


FORKED: dict[str, Any] = {}
"""What processes that read and write need."""


def _start_forked(own: dict[str, object]) -> None:
    import torch

    torch.set_num_threads(1)
    FORKED.update(own)


def _read_one(item: Any) -> None:
    FORKED["model"].read_row(item.row)


def _write_one(item: Any) -> None:
    from instageo.model.inference.batch import write_prediction

    write_prediction(FORKED["model"], item, FORKED["made"])


def predict_chips(folder: Path, name: str, count: int, workers: list[int], precision: str, batch: int | None) -> None:
    """Print chips/s of `predict_on_gpu`, from files to files, and of chips one by one."""
    import torch

    import instageo
    from instageo.model.gpu import batches
    from instageo.model.inference.batch import predict_items
    from instageo.model.settings.compose import update_settings

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = instageo.load_model(folder / name, device=device, backend="torch", precision=precision)
    if batch:
        model = replace(model, settings=update_settings(model.settings, {"train.batch_size": batch}))
    title = f"chips {name} {precision}, batch {model.tiling.batch_size}"
    if not batch:
        items = make_items(folder, f"{name}_single", 64)
        list(predict_items(model, items[:4], 4))
        speed_of(f"{title}: one by one", 64, lambda: list(predict_items(model, items, 4)))
    for number in workers:
        items = make_items(folder, f"{name}_{number}_{batch}", count)
        begun, times, errors = time.perf_counter(), [], []
        with profiled(f"{title}: main thread with {number} processes", number == workers[-1] and not batch):
            for outcome in batches.predict_on_gpu(model, items, number):
                times.append(time.perf_counter() - begun)
                errors += [outcome.error] if outcome.error else []
        first = times[min(255, count // 4)]
        steady = (count - min(255, count // 4) - 1) / (times[-1] - first)
        say(
            f"{title}, {number} processes: {count / times[-1]:.0f} chips/s of all, {steady:.0f} after the first, first "
            f"after {times[0]:.2f} s; errors {len(errors)} {errors[:1]}"
        )


@contextmanager
def profiled(title: str, wanted: bool) -> Iterator[None]:
    """Print what the calling thread spends its time on."""
    if not wanted:
        yield
        return
    profiler = cProfile.Profile()
    profiler.enable()
    yield
    profiler.disable()
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(14)
    say(title)
    for line in text.getvalue().splitlines()[6:]:
        if line.strip():
            say(line[:130])


def map_scene(folder: Path, name: str, precision: str, variants: list[str]) -> None:
    """Print the time of the parts of `instageo map` for numbers of threads READING,GDAL,WRITING."""
    import torch

    import instageo
    from instageo.model.map_jobs import map_scenes  # noqa: F401
    from instageo.model.mapping import map_pieces
    from instageo.model.scenes import tiles
    from instageo.raster.scenes import scene_rows

    sys.path.insert(0, str(Path(__file__).parent))
    import map_parts

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = instageo.load_model(folder / name, device=device, backend="torch", precision=precision)
    spent = map_parts.time_parts()
    with rasterio.open(folder / "scene.tif") as file:
        count = file.width * file.height / CHIP**2
    for variant in variants:
        reading, gdal, writing = map(int, variant.split(","))
        tiles.GPU_THREADS, map_pieces.WRITERS_BEHIND_GPU = reading, writing
        scene_rows.GDAL_SETTINGS["GDAL_NUM_THREADS"] = str(gdal)
        spent.clear()
        begun = time.perf_counter()
        cpu = time.process_time()
        model.map(folder / "scene.tif", folder / f"map_{name}_{precision}.tif", overwrite=True)
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        mapping = spent["mapping"][1]
        parts = ", ".join(f"{part} {own_cpu:.2f}/{own:.2f}" for part, (own_cpu, own) in spent.items())
        say(
            f"map {name} {precision} {variant}: whole call {count / wall:.0f} chips/s, loop {count / mapping:.0f} "
            f"({mapping:.2f} s), process CPU {cpu:.1f} s; thread CPU/wall s: {parts}"
        )
    if device == "cuda":
        say(f"peak GPU memory {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")
