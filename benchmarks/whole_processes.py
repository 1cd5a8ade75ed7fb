"""Measure whole processes: time, CPU time and memory, and say on what machine."""

import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil
import rasterio

INSTRUCTIONS = "avx2", "avx512f", "avx512_bf16", "amx_bf16"
SAMPLING_S = 0.2


@dataclass(frozen=True)
class Usage:
    """What a process took: seconds of the clock and of CPUs, and the peak of its and its children's memory, bytes."""

    wall: float
    cpu: float
    peak: float
    output: str


def run(command: list[str], folder: Path, place: Path | None = None, **environment: str) -> Usage:
    """Run a process to its end, and measure it and its children; its output goes to a file in `folder`."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with (folder / "output.txt").open("w+") as output:
        everything = os.environ | environment
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=everything, cwd=place)
        peak = 0
        while process.poll() is None:
            peak = max(peak, _tree_memory(process.pid))
            time.sleep(SAMPLING_S)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        output.seek(0)
        text = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{text[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Usage(wall, cpu, peak, text)


def _tree_memory(number: int) -> int:
    """Return the memory of a process and its children now, or the peak of its own so far if that is more, bytes."""
    try:
        process = psutil.Process(number)
        now = sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])
        lines = Path(f"/proc/{number}/status").read_text().splitlines()
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return 0
    own = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")]
    return max([now, *own])


def loop_seconds() -> float:
    """Return the CPU seconds of ten million additions in Python, which tell how fast the machine is just now."""
    start = time.process_time()
    for number in range(10**7):
        number + 1
    return time.process_time() - start


def describe_machine() -> set[str]:
    """Print processor and versions, and return its instruction sets, of those that matter here."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    found = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in lines if ":" in line}
    sets = set(found.get("flags", "").split()) & set(INSTRUCTIONS)
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "rasterio", "numpy"))
    print(f"{found.get('model name')}, {os.cpu_count()} cores, {', '.join(sorted(sets))}")
    print(f"Python {platform.python_version()}, {versions}, GDAL {rasterio.__gdal_version__}\n", flush=True)
    return sets
