"""Seconds of one step of AdamW, fused and plain, on a network's parameters: CPU time of both in turn, one thread."""

import argparse
import statistics
import time

import torch

from instageo.model import build_network
from instageo.model.training.optimizer import OptimizerConfig, build_optimizer
from instageo.model.training.schedules import Schedule


def step_times(name: str, rounds: int) -> dict[bool, list[float]]:
    """Return CPU seconds of each step, by whether it is fused."""
    net = build_network(name, num_classes=2, img_size=64, head="light")
    for parameter in net.parameters():
        parameter.grad = torch.randn_like(parameter) * 1e-3
    optimizers = {}
    for fused in (True, False):
        config = OptimizerConfig(1e-4, 1e-2, 1.0, Schedule("constant"), 0, fused)
        optimizers[fused] = build_optimizer(net, config, 1, 1)["optimizer"]
        optimizers[fused].step()
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(rounds):
        for fused, optimizer in optimizers.items():
            start = time.process_time()
            optimizer.step()
            seconds[fused].append(time.process_time() - start)
    return seconds


def main() -> None:
    """Print a row of the table for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    for name in ("prithvi_eo_v2_tiny_tl", "prithvi_eo_v1_100"):
        seconds = step_times(name, rounds)
        cells = []
        for fused in (True, False):
            ms = [1e3 * second for second in seconds[fused]]
            cells.append(f"{statistics.median(ms):.1f} ({min(ms):.1f}-{max(ms):.1f})")
        ratio = statistics.median(seconds[False]) / statistics.median(seconds[True])
        print(f"| {name} | {cells[0]} | {cells[1]} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
