"""Everything on a GPU: networks, reading and writing, chips and maps from files to files, and what they agree with.

python benchmarks/gpu.py FOLDER data|models|network|io|chips|map|correct|train [options]

`data` makes chips and a scene of a formula with noise, `models` networks with random weights; the others use these.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
from gpu_data import NETWORKS, SIZE, make_data, make_models, say
from gpu_files import map_scene, predict_chips, time_files
from gpu_networks import time_networks
from rasterio.windows import Window


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
