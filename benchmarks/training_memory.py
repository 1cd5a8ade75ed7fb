"""Peak memory of training steps, each configuration in a process of its own.

python benchmarks/training_memory.py [--models prithvi_eo_v2_300 prithvi_eo_v2_600] [--heads light upscaling]

Two steps of AdamW in float32 with one chip of 224 pixels and three dates. "peak" is the largest resident set of the
process less what it had before the network was built; "counted" is the figure of `instageo models`.
"""

import argparse
import itertools
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn

from instageo.model import build_network
from instageo.model.networks.cost import compute_network_cost
from instageo.model.networks.memory import keep_freed_memory

NUM_DATES = 3


def resident_bytes() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return float(pages * resource.getpagesize())


def measure(model_name: str, head: str, checkpointing: bool) -> dict[str, float]:
    """Return peak bytes and the seconds of the second of two training steps."""
    keep_freed_memory()
    nn.functional.linear(torch.ones(8, 8), torch.ones(8, 8))  # libraries load what they need
    before = resident_bytes()
    net = build_network(model_name, num_classes=2, temporal_dim=NUM_DATES, head=head).train()
    net.prithvi_encoder.gradient_checkpointing = checkpointing
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)
    image, label = torch.randn(1, 6, NUM_DATES, 224, 224), torch.zeros(1, 224, 224, dtype=torch.long)
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(image), label).backward()
        optimizer.step()
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"peak": peak - before, "seconds": seconds}


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["prithvi_eo_v2_300", "prithvi_eo_v2_600"])
    parser.add_argument("--heads", nargs="+", default=["light", "upscaling"])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one[0], args.one[1], args.one[2] == "True")))
        return
    print(f"PyTorch {torch.__version__}, Python {platform.python_version()}, {torch.get_num_threads()} threads")
    print(
        "| encoder | head | gradient checkpointing | peak, GB | counted, GB | s per step |\n|---|---|---|---|---|---|"
    )
    for model_name, head, checkpointing in itertools.product(args.models, args.heads, (False, True)):
        command = [sys.executable, __file__, "--one", model_name, head, str(checkpointing)]
        measured = json.loads(
            subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        )
        counted = compute_network_cost(model_name, temporal_dim=NUM_DATES, head=head).training_bytes / 1e9
        cells = (
            f"{measured['peak'] / 1e9:.1f} | {'' if checkpointing else f'{counted:.1f}'} | {measured['seconds']:.0f}"
        )
        print(f"| {model_name} | {head} | {'yes' if checkpointing else 'no'} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
