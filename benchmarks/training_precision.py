"""Benchmark a training step in float32 and in bfloat16, in turns: forward, backward and optimiser.

python benchmarks/training_precision.py NETWORK:SIDE:DATES:BATCH … [--threads 1] [--rounds 7]

Prints a Markdown table: CPU milliseconds a chip, medians, and the median of the ratios of neighbouring rounds, with the
lowest and the highest.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor, nn

from instageo.model import build_network
from instageo.model.training.precision import BF16


def time_step(net: nn.Module, optimizer: torch.optim.Optimizer, image: Tensor, label: Tensor, *, bf16: bool) -> float:
    """Return the CPU seconds of one step."""
    start = time.process_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = net(image)
    nn.functional.cross_entropy(logits.float(), label).backward()
    optimizer.step()
    optimizer.zero_grad()
    return time.process_time() - start


def main() -> None:
    """Measure the networks and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"| network | chips | float32, ms a chip | {BF16}, ms a chip | ratio |\n|---|---|---|---|---|")
    for network in arguments.networks:
        name, *sizes = network.split(":")
        side, dates, batch = map(int, sizes)
        torch.manual_seed(0)
        net = build_network(name, img_size=side, temporal_dim=dates, num_classes=2)
        optimizer = torch.optim.AdamW(net.parameters(), fused=True)
        image, label = torch.randn(batch, 6, dates, side, side), torch.randint(0, 2, (batch, side, side))
        rounds = [
            [1000 / batch * time_step(net, optimizer, image, label, bf16=bf16) for bf16 in (False, True)]
            for _ in range(arguments.rounds + 1)
        ][1:]  # the first one prepares kernels
        exact, rounded = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = [half / full for full, half in rounds]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        chips = f"{side} pixels, {dates} {'date' if dates == 1 else 'dates'}, batch {batch}"
        print(f"| {name} | {chips} | {exact:.1f} | {rounded:.1f} | {spread} |", flush=True)


if __name__ == "__main__":
    main()
