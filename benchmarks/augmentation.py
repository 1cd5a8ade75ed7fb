"""CPU time of augmentation, per chip of 224 pixels in batches of eight.

python benchmarks/augmentation.py [--threads 2] [--repeats 12]

With one thread the time is CPU time, whatever else the machine does; with more it is wall time.
"""

import argparse
import time

import torch

from instageo.model.augmentations.pipeline import AugmentationSpec, process_and_augment
from instageo.model.dataset.datasets import Sample
from instageo.model.networks.memory import keep_freed_memory

BATCH, SIDE, SEEDS = 8, 224, 4

SIX = (
    AugmentationSpec("hflip", 0.5), AugmentationSpec("vflip", 0.5), AugmentationSpec("rotate", 0.5, {"degrees": 180.0}),
    AugmentationSpec("brightness", 0.5, {"limit": 0.2}), AugmentationSpec("blur", 0.5, {"sigma": 1.0}),
    AugmentationSpec("noise", 0.5, {"std": 0.05}),
)  # fmt: skip


def batch_of(bands: int, dates: int) -> Sample:
    """Return random values with one in twenty no-data."""
    image = torch.rand(BATCH, bands, dates, SIDE, SIDE) * 3000
    valid = torch.rand(BATCH, dates, SIDE, SIDE) > 0.05
    return Sample(image, valid, torch.randint(0, 5, (BATCH, SIDE, SIDE)))


def milliseconds(batch: Sample, specs: tuple[AugmentationSpec, ...], repeats: int) -> float:
    """Return the mean over a few seeds of the best time per chip."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    mean, std = (torch.full((batch.image.shape[1],), value) for value in (1500.0, 900.0))
    best = [float("inf")] * SEEDS
    for _ in range(repeats):
        for seed in range(SEEDS):
            generator = torch.Generator().manual_seed(seed)
            start = clock()
            process_and_augment(batch, mean, std, specs, generator)
            best[seed] = min(best[seed], clock() - start)
    return sum(best) / SEEDS / BATCH * 1000


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    cases = {"normalisation alone": (), **{spec.name: (spec,) for spec in SIX}, "all six": SIX}
    print("| ms per chip | 13 bands, 1 date | 6 bands, 3 dates |\n|---|---|---|")
    batches = batch_of(13, 1), batch_of(6, 3)
    for name, specs in cases.items():
        times = [milliseconds(batch, specs, options.repeats) for batch in batches]
        print(f"| {name} | {times[0]:.1f} | {times[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
