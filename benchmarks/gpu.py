"""Everything on a GPU: networks, reading and writing, chips and maps from files to files, and what they agree with.

python benchmarks/gpu.py FOLDER data|models|network|io|chips|map|correct|train [options]

`data` makes chips and a scene of a formula with noise, `models` networks with random weights; the others use these.
"""

import argparse
import cProfile
import io
import json
import os
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window

CHIP, BLOCK, SIZE, VARIANTS = 224, 512, 10980, 64
LEVELS = 400, 600, 700, 2500, 2000, 1200
NETWORKS = {
    "v2_300": ("prithvi_eo_v2_300", "light"),
    "v1_100": ("prithvi_eo_v1_100", "light"),
    "conv_micro": ("conv_micro", None),
}
GROUND = "EPSG:32632", rasterio.Affine(10, 0, 300_000, 0, -10, 5_500_000)


def say(*words: object) -> None:
    """Print at once."""
    print(*words, flush=True)


# --------------------------------------------------------------------------------------------------------------- data


def smooth(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return random ground (6, size, size) whose left and right, and upper and lower borders fit."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None])
    scale = np.maximum(frequency, 1 / size) ** 1.8
    fields = [np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) / scale).real for _ in LEVELS]
    return np.stack([level * (1 + 0.3 * field / field.std()) for level, field in zip(LEVELS, fields, strict=True)])


def make_data(folder: Path, num_chips: int, size: int) -> None:
    """Write chips and labels, tables of all and of some, and a scene."""
    start, rng = time.perf_counter(), np.random.default_rng(1)
    blocks = [
        np.rint(smooth(rng, BLOCK) + rng.normal(size=(6, BLOCK, BLOCK), scale=6)).clip(1).astype(np.int16)
        for _ in range(8)
    ]
    (folder / "chips").mkdir(parents=True, exist_ok=True)
    common = {"driver": "GTiff", "dtype": "int16", "crs": GROUND[0], "nodata": -9999, "compress": "deflate"}
    own = common | {"width": CHIP, "height": CHIP, "zlevel": 4}
    for number in range(min(VARIANTS, num_chips)):
        top, left = rng.integers(0, BLOCK - CHIP, 2)
        pixels = blocks[number % 8][:, top : top + CHIP, left : left + CHIP]
        transform = GROUND[1] * rasterio.Affine.translation(CHIP * number, 0)
        with rasterio.open(folder / f"chips/chip_{number}.tif", "w", count=6, transform=transform, **own) as file:
            file.write(pixels)
        with rasterio.open(folder / f"chips/label_{number}.tif", "w", count=1, transform=transform, **own) as file:
            file.write((pixels[3] > LEVELS[3]).astype(np.int16), 1)
    for number in range(VARIANTS, num_chips):
        path = folder / f"chips/chip_{number}.tif"
        if not path.exists():
            os.link(folder / f"chips/chip_{number % VARIANTS}.tif", path)
    lines = [f"chips/chip_{number}.tif,chips/label_{number % VARIANTS}.tif" for number in range(num_chips)]
    tables = {"all": lines, "train": lines[:48], "val": lines[48:VARIANTS], "few": lines[:16], "epoch": lines[:512]}
    for name, own_lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(["Input,Label", *own_lines, ""]))
    profile = common | {
        "count": 6, "width": size, "height": size, "transform": GROUND[1], "tiled": True, "blockxsize": BLOCK,
        "blockysize": BLOCK, "interleave": "pixel", "BIGTIFF": "YES", "zlevel": 4, "NUM_THREADS": "ALL_CPUS",
    }  # fmt: skip
    with rasterio.open(folder / "scene.tif", "w", **profile) as file:
        for row in range(0, size, BLOCK):
            for column in range(0, size, BLOCK):
                height, width = min(BLOCK, size - row), min(BLOCK, size - column)
                pixels = np.roll(blocks[(row + column) // BLOCK % 8], (row // 7, column // 5), (1, 2))
                file.write(pixels[:, :height, :width], window=Window(column, row, width, height))
    kilobytes = (folder / "chips/chip_0.tif").stat().st_size / 1e3
    scene = (folder / "scene.tif").stat().st_size / 1e6
    say(f"data: chip {kilobytes:.0f} kB, scene {scene:.0f} MB, {time.perf_counter() - start:.1f} s")


def make_models(folder: Path, names: list[str]) -> None:
    """Save networks with random weights that take the chips."""
    import torch

    import instageo

    data = instageo.ChipDataset(folder / "train.csv", statistics="auto")
    for name in names:
        if (folder / name / "instageo_best_checkpoint.ckpt").exists():
            continue
        model, head = NETWORKS[name]
        torch.manual_seed(1)
        net = instageo.build_network(model, num_classes=2, **({"head": head} if head else {}))
        instageo.save_model(net, folder / name, data=data)


# ------------------------------------------------------------------------------------------------------------- network


def time_gpu(call: Callable[[], object], seconds: float = 0.6) -> float:
    """Return the median seconds of a call, by events of the GPU."""
    import torch

    if not torch.cuda.is_available():
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        call()
        last.record()
        torch.cuda.synchronize()
        times.append(first.elapsed_time(last) / 1e3)
    return sorted(times)[len(times) // 2]


def time_networks(folder: Path, names: list[str], batches: list[int], *, compile_too: bool) -> None:
    """Print chips/s of each network, number format and batch size, and the agreement with float32."""
    import torch

    if torch.cuda.is_available():
        copy_speeds()
    for name in names:
        time_network(folder, name, batches, compile_too=compile_too)


def time_network(folder: Path, name: str, batches: list[int], *, compile_too: bool) -> None:
    """Print the lines of one network."""
    import torch

    import instageo
    from instageo.model.backends.torch_backend import TorchBackend
    from instageo.model.inference.backend_choice import agreement_of, to_chips

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = instageo.load_model(folder / name, device=device)
    say(f"\n{name}: batch size chosen {model.tiling.batch_size}")
    tiles = [model.read(str(folder / f"chips/chip_{number}.tif"), (), None)[0] for number in range(16)]
    few, net = to_chips(model, tiles), model.net

    def plain(chips: Any, net: Any = net) -> Any:
        with torch.inference_mode():
            return net(*chips)

    def autocast(dtype: torch.dtype, chips: Any, net: Any = net) -> Any:
        with torch.inference_mode(), torch.autocast(device, dtype):
            return net(*chips)

    def tf32(chips: Any) -> Any:
        torch.backends.cuda.matmul.allow_tf32 = True
        try:
            return plain(chips)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = False

    reference, agreement = plain(few).float(), agreement_of(model)

    def measure(kind: str, call: Callable[[Any], Any], sizes: list[int] = batches) -> None:
        try:
            agreed, speeds = agreement(reference, call(few).float()), []
            for size in sizes:
                seconds = time_gpu(partial(call, repeat(few, size)), 0.2)
                speeds.append(f"{size}: {size / seconds:.0f}")
            say(f"{name} | {kind} | {' | '.join(speeds)} | {agreed:.4%}")
        except Exception as error:  # noqa: BLE001
            say(f"{name} | {kind} | {type(error).__name__}: {str(error)[:200]}")

    for kind, call in (("f32", plain), ("tf32", tf32)):
        measure(kind, call)
    for kind, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16)):
        measure(kind, partial(autocast, dtype))
    product = TorchBackend(net, "bf16", torch.device(device))  # puts channels last
    measure("bf16 of the program", lambda chips: product(*chips))
    measure("f32, channels last", plain, batches[1:2])
    for further in (time_graphs, profile_network):
        try:
            further(name, product, few, batches)
        except Exception as error:  # noqa: BLE001
            say(f"{name} | {further.__name__} | {type(error).__name__}: {str(error)[:300]}")
    if compile_too:
        begun, compiled = time.perf_counter(), partial(autocast, torch.bfloat16, net=torch.compile(net))
        compiled(repeat(few, batches[-1]))
        say(f"{name} | compiled in {time.perf_counter() - begun:.1f} s")
        measure("bf16 compiled", compiled, batches[-1:])
    half = net.to(torch.bfloat16)
    measure("bf16 weights", lambda chips: plain((chips[0].bfloat16(), *chips[1:]), half))


def repeat(chips: Any, count: int) -> Any:
    """Return a batch of that many chips."""
    import torch

    from instageo.model.backends.backend import ChipBatch

    return ChipBatch(*(torch.cat([part] * -(-count // len(part)))[:count].contiguous() for part in chips))


def time_graphs(name: str, call: Callable[..., Any], few: Any, batches: list[int]) -> None:
    """Time replays of CUDA graphs."""
    import torch

    for size in batches:
        chips, side = repeat(few, size), torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                call(*chips)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call(*chips)
        say(f"{name} | bf16 CUDA graph | {size}: {size / time_gpu(graph.replay, 0.2):.0f}")


def profile_network(name: str, call: Callable[..., Any], few: Any, batches: list[int]) -> None:
    """Print which kernels take the time."""
    from torch.profiler import ProfilerActivity, profile

    chips = repeat(few, batches[-1])
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as recorded:
        for _ in range(3):
            call(*chips)
    table = recorded.key_averages().table(sort_by="self_cuda_time_total", row_limit=14, max_name_column_width=60)
    say(f"{name}: kernels of three batches of {batches[-1]}")
    for line in table.splitlines():
        say(line[:62], line[-75:])


def copy_speeds() -> None:
    """Print GB/s between main memory and the GPU."""
    import torch

    size = 128 << 20
    pageable, device = torch.ones(size, dtype=torch.uint8), torch.empty(size, dtype=torch.uint8, device="cuda")
    begun = time.perf_counter()
    pinned = torch.ones(size, dtype=torch.uint8, pin_memory=True)
    pinning = time.perf_counter() - begun
    shared = torch.ones(size, dtype=torch.uint8).share_memory_()
    cases = {
        "from pageable": lambda: device.copy_(pageable),
        "from shared": lambda: device.copy_(shared),
        "from pinned": lambda: device.copy_(pinned, non_blocking=True),
        "to pageable": lambda: pageable.copy_(device),
        "to new pageable": lambda: device.cpu(),
        "to pinned": lambda: pinned.copy_(device, non_blocking=True),
        "pageable to pinned": lambda: pinned.copy_(pageable),
    }
    speeds = ", ".join(f"{name} {size / time_gpu(call, 0.15) / 1e9:.1f}" for name, call in cases.items())
    say(f"copies, GB/s: {speeds}; pinning 128 MB took {pinning * 1e3:.0f} ms")


# ------------------------------------------------------------------------------------------------------------------ io


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


# --------------------------------------------------------------------------------------------------------------- chips


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


# ----------------------------------------------------------------------------------------------------------------- map


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


# ------------------------------------------------------------------------------------------------------------- correct


def check(folder: Path) -> None:
    """Train, score, predict and map on the GPU, and compare with the CPU; each step is independent."""
    import logging

    import torch

    import instageo
    from instageo.model.hydra_job import run_with_hydra

    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s", stream=sys.stdout)
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("instageo").setLevel(logging.INFO)
    runs = folder / "runs"
    small = ["dataloader.img_size=64", "test.crop_size=224"] if not torch.cuda.is_available() else []
    common = [f"root_dir={folder}", "mode=train", "model.model_name=prithvi_eo_tiny", "model.head=light", *small]
    common += ["train.learning_rate=0.001", "train.scheduler=constant"]
    data = ["train_filepath=train.csv", "valid_filepath=val.csv", "test_filepath=few.csv"]

    def step(title: str, call: Callable[[], object]) -> None:
        begun = time.perf_counter()
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001
            import traceback

            traceback.print_exc(limit=-4, file=sys.stdout)
            result = f"{type(error).__name__}: {str(error)[:400]}"
        say(f"CHECK {title}: {result or 'ok'} ({time.perf_counter() - begun:.1f} s)")

    def job(name: str, *options: str) -> Callable[[], object]:
        arguments = [*common, *data, f"hydra.run.dir={runs / name}", *options]
        return lambda: run_with_hydra(arguments)

    best = f"checkpoint_path={runs / 'train'}"
    step("train", job("train", "train.num_epochs=2", "accelerator=auto", "precision=auto"))
    step("resume", job("train", "train.num_epochs=8", "train.resume=true", "accelerator=auto", "precision=auto"))
    step("eval on the GPU", job("eval", "mode=eval", best))
    step("eval on the CPU", job("eval_cpu", "mode=eval", best, "accelerator=cpu", "engine.backend=torch"))
    kinds = {
        "cpu": ("cpu", "f32"),
        "gpu_f32": ("auto", "f32"),
        "gpu_bf16": ("auto", "bf16"),
        "gpu_auto": ("auto", "auto"),
    }
    for name, (accelerator, precision) in kinds.items():
        engine = [f"accelerator={accelerator}", "engine.backend=torch", f"engine.precision={precision}"]
        where = [best, f"output_dir={runs / f'chips_{name}'}"]
        step(f"chip_inference {name}", job(f"infer_{name}", "mode=chip_inference", *engine, *where))
    with rasterio.open(folder / "scene.tif") as file:
        pixels = file.read(window=Window(0, 0, 1024, 1024))
        profile = file.profile | {"width": 1024, "height": 1024}
    with rasterio.open(folder / "small.tif", "w", **profile) as file:
        file.write(pixels)
    for name, (accelerator, precision) in kinds.items():
        engine = [f"accelerator={accelerator}", "engine.backend=torch", f"engine.precision={precision}"]
        where = [best, f"map.scenes=[{folder / 'small.tif'}]", f"map.output={runs / f'map_{name}.tif'}"]
        step(f"map {name}", job(f"map_{name}", "mode=map", *engine, *where, "map.probabilities=true"))

    def compare(name: str) -> str:
        shares = []
        for each in sorted((runs / "chips_cpu").rglob("*.tif")):
            other = runs / f"chips_{name}" / each.relative_to(runs / "chips_cpu")
            shares.append(float((rasterio.open(each).read() == rasterio.open(other).read()).mean()))
        maps = [rasterio.open(runs / f"map_{kind}.tif").read() for kind in ("cpu", name)]
        probabilities = [rasterio.open(runs / f"map_{kind}_probabilities.tif").read() for kind in ("cpu", name)]
        difference = np.abs(probabilities[0].astype(int) - probabilities[1].astype(int)).max()
        return (
            f"chips {np.mean(shares):.4%} (least {min(shares):.4%}), map {(maps[0] == maps[1]).mean():.4%}, largest "
            f"difference of stored probabilities {difference}; share of class 1 {(maps[0] == 1).mean():.2%}"
        )

    for name in list(kinds)[1:]:
        step(f"{name} as the CPU", partial(compare, name))
    step("load on the CPU", lambda: str(instageo.load_model(runs / "train", device="cpu").metrics))
    step("members and flips", job("tta", "mode=map", best, f"map.scenes=[{folder / 'small.tif'}]", "map.tta=flips",
        "map.spread=true", f"map.output={runs / 'map_tta.tif'}"))  # fmt: skip
    if torch.cuda.is_available():
        free = torch.cuda.mem_get_info()[1]
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(max(300e6 / free, 1e-4))
        step("out of memory, train", job("oom", "train.batch_size=48"))
        step("out of memory, chips", job("oom_chips", "mode=chip_inference", best, "train.batch_size=64",
            f"output_dir={runs / 'chips_oom'}"))  # fmt: skip
        step("out of memory, map", job("oom_map", "mode=map", best, f"map.scenes=[{folder / 'small.tif'}]",
            "train.batch_size=64", f"map.output={runs / 'map_oom.tif'}"))  # fmt: skip
    say("CHECK end")


# --------------------------------------------------------------------------------------------------------------- train


def train(folder: Path, cases: list[str]) -> None:
    """Print seconds an epoch of training, for cases NETWORK:BATCH:WORKERS."""
    import logging

    import instageo  # noqa: F401
    from instageo.model.hydra_job import run_with_hydra

    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s", stream=sys.stdout)
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("instageo").setLevel(logging.INFO)
    for case in cases:
        name, batch, workers = case.split(":")
        model, head = NETWORKS[name]
        run = folder / "runs" / f"epoch_{case.replace(':', '_')}"
        errors = run_with_hydra([
            f"root_dir={folder}", "mode=train", f"model.model_name={model}", "train_filepath=epoch.csv",
            "valid_filepath=val.csv", *([f"model.head={head}"] if head else []), f"train.batch_size={batch}",
            f"dataloader.num_workers={workers}", "train.num_epochs=3", "model.load_pretrained_weights=false",
            "train.scheduler=constant", f"hydra.run.dir={run}",
        ])  # fmt: skip
        for path in run.glob("history*"):
            say(path.read_text()[:1500])
        record = json.loads((run / "run.json").read_text()) if (run / "run.json").exists() else {}
        interesting = {
            key: value
            for key, value in record.items()
            if any(w in key for w in ("second", "speed", "thr", "memory", "precision", "epoch", "chips"))
        }
        say(f"TRAIN {case}: {errors or 'ok'} {json.dumps(interesting)[:1500]}")
        for path in run.rglob("*.ckpt"):
            path.unlink()


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("part")
    parser.add_argument("--names", nargs="+", default=list(NETWORKS))
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 64, 256])
    parser.add_argument("--count", type=int, default=4096)
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--variants", nargs="+", default=["4,4,4"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--cases", nargs="+", default=[])
    options = parser.parse_args()
    folder, begun = options.folder.resolve(), time.perf_counter()
    parts = {
        "data": lambda: make_data(folder, options.count, options.size),
        "models": lambda: make_models(folder, options.names),
        "network": lambda: time_networks(folder, options.names, options.batches, compile_too=options.compile),
        "io": lambda: time_files(folder, options.count),
        "chips": lambda: [
            predict_chips(folder, name, options.count, options.workers, options.precision, options.batch)
            for name in options.names
        ],
        "map": lambda: [map_scene(folder, name, options.precision, options.variants) for name in options.names],
        "correct": lambda: check(folder),
        "train": lambda: train(folder, options.cases),
    }
    parts[options.part]()
    say(f"PART {options.part} took {time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    main()
