"""Speed of the networks compared with the matrix product of the machine, in one process.

python benchmarks/throughput.py [--device cuda] [--default-malloc] [--rounds 5] [--only NAME] [--plain]

Each case is timed in alternation with the peak, so that background load affects both. Rates count the operations of
matrix products, convolutions and attention (PyTorch's counter); a backward pass counts twice its forward pass. With
--plain the peak is omitted, so that only the network uses memory between two calls.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from instageo.model import build_encoder, build_network
from instageo.model.networks.memory import keep_freed_memory

BATCH = 8
KINDS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Case:
    """A network to time: name, function that builds it, dates, number format, with backward pass or not."""

    name: str
    build: Callable[[], nn.Module]
    num_dates: int
    kind: str = "float32"
    backward: bool = False

    @property
    def title(self) -> str:
        """First cell of the line in the table."""
        return f"{self.name}, T={self.num_dates}, {self.kind}, {'forward + backward' if self.backward else 'forward'}"


def encoder(num_dates: int) -> Callable[[], nn.Module]:
    """Return a function that builds prithvi_eo_v1_100 without a head."""
    return lambda: build_encoder("prithvi_eo_v1_100", temporal_dim=num_dates, img_size=224)


def tiny(head: str) -> Callable[[], nn.Module]:
    """Return a function that builds prithvi_eo_tiny with a head of two classes."""
    return lambda: build_network("prithvi_eo_tiny", num_classes=2, head=head)


CASES = [
    *(
        Case("prithvi_eo_v1_100 encoder", encoder(num_dates), num_dates, kind, backward)
        for num_dates in (1, 3)
        for kind, backward in (("float32", False), ("float32", True), ("bfloat16", False), ("bfloat16", True))
    ),
    *(Case(f"prithvi_eo_tiny {head}", tiny(head), 1, kind) for kind in KINDS for head in ("upscaling", "light")),
]


class Timer:
    """Measures the seconds of a call, including all work of the device."""

    def __init__(self, device: str) -> None:
        self.wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)

    def __call__(self, call: Callable[[], object]) -> float:
        """Return the seconds of one call."""
        self.wait()
        start = time.perf_counter()
        call()
        self.wait()
        return time.perf_counter() - start


def products(kind: torch.dtype, device: str) -> list[tuple[Callable[[], object], float]]:
    """Return matrix products of several shapes with their number of operations; the peak is the fastest of them."""
    calls = []
    for rows, inner, columns in ((1576, 768, 3072), (2048, 2048, 2048), (4096, 4096, 4096)):
        left, right = torch.randn(rows, inner, device=device, dtype=kind), torch.randn(columns, inner, device=device)
        right = right.to(kind)
        calls.append((lambda left=left, right=right: nn.functional.linear(left, right), 2.0 * rows * inner * columns))
    return calls


def peak_rate(kind: torch.dtype, device: str, timer: Timer) -> float:
    """Return the best operations per second of the matrix products, of three calls each."""
    rates = []
    for call, operations in products(kind, device):
        call()
        rates += [operations / timer(call) for _ in range(3)]
    return max(rates)


def operations(case: Case) -> float:
    """Return the operations of one pass of the case."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        case.build().eval()(torch.empty(BATCH, 6, case.num_dates, 224, 224))
    return counter.get_total_flops() * (3.0 if case.backward else 1.0)


def measure(case: Case, device: str, rounds: int, timer: Timer, *, plain: bool) -> tuple[list[float], list[float]]:
    """Return the seconds of each round, and the peak rate measured before each (infinite if `plain`)."""
    kind = KINDS[case.kind]
    net = case.build().to(device).train(case.backward)
    image = torch.randn(BATCH, 6, case.num_dates, 224, 224, device=device)

    def call() -> None:
        with torch.autocast(device, kind, enabled=kind is not torch.float32), torch.set_grad_enabled(case.backward):
            output = net(image)
            if case.backward:
                output.float().square().mean().backward()

    for _ in range(2):
        call()
    seconds, peaks = [], []
    for _ in range(rounds):
        peaks.append(float("inf") if plain else peak_rate(kind, device, timer))
        seconds.append(timer(call))
    return seconds, peaks


def main() -> None:
    """Time all cases and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose title contains this")
    parser.add_argument("--default-malloc", action="store_true", help="leave glibc's memory allocation as it is")
    parser.add_argument("--plain", action="store_true", help="leave out the peak")
    args = parser.parse_args()
    if not args.default_malloc:
        keep_freed_memory()
    timer = Timer(args.device)
    where = torch.cuda.get_device_name() if args.device == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"PyTorch {torch.__version__}, Python {platform.python_version()}, {args.device} ({where}), batch {BATCH}")
    print("| case | chips/s (min-max) | GFLOP/s | of the peak | peak, GFLOP/s |\n|---|---|---|---|---|")
    for case in CASES:
        if args.only not in case.title:
            continue
        seconds, peaks = measure(case, args.device, args.rounds, timer, plain=args.plain)
        rate = operations(case) / statistics.median(seconds) / 1e9
        peak = statistics.median(peaks) / 1e9
        speeds = f"{BATCH / statistics.median(seconds):.1f} ({BATCH / max(seconds):.1f}-{BATCH / min(seconds):.1f})"
        print(f"| {case.title} | {speeds} | {rate:.0f} | {rate / peak:.2f} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
