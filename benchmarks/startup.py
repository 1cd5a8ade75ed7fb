"""Time until a command begins to work, and until it has ended: whole processes, in wall time and CPU time.

python benchmarks/startup.py [--repeats 5] [--as-installed]
python benchmarks/startup.py --repeats 7 --command mode=eval checkpoint_path=… hydra.run.dir=…

Modes are measured up to the call of their function. Bytecode of all packages is kept in a folder of its own; with
--as-installed Python finds and keeps it where it usually does, or not: with PYTHONDONTWRITEBYTECODE=1 and packages
installed uncompiled, every process compiles what it imports. With --command, a whole run is measured, whose process is
ended as Python does it, and at once (`instageo.runtime.quick_exit`).
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib.metadata import version

from instageo.model.hydra_job import COMMANDS

PYTHON = {
    "Python itself": "pass",
    "`import torch`": "import torch",
    "`import pytorch_lightning`": "import pytorch_lightning",
    "`import instageo.model.run`": "import instageo.model.run",
    "`from instageo import load_model`": "from instageo import load_model",
}
MODES = {f"`mode={mode.name}`": f"import instageo.model.run, {module}" for mode, (module, _) in COMMANDS.items()}
CASES: dict[str, list[str]] = {
    **{title: ["-c", code] for title, code in (PYTHON | MODES).items()},
    "`mode=train` with Lightning": [
        "-c",
        f"{MODES['`mode=train`']}, instageo.model.training.callbacks.factory, instageo.model.dataset.datamodule",
    ],
    "`instageo --help`": ["-m", "instageo.cli", "--help"],
    "`instageo version`": ["-m", "instageo.cli", "version"],
}

ENDS = {
    "ended by Python": ["-c", "import sys; from instageo.model.run import main; sys.exit(main())"],
    "ended at once": ["-m", "instageo.model.run"],
}


def seconds(arguments: Iterable[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return wall time and CPU time of one process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def spread(values: Iterable[float]) -> str:
    """Return median, minimum and maximum."""
    values = list(values)
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def main() -> None:
    """Print a table of all cases, each measured once per round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--as-installed", action="store_true")
    parser.add_argument("--command", nargs=argparse.REMAINDER, help="arguments of python -m instageo.model.run")
    args = parser.parse_args()
    cases = {title: [*start, *args.command] for title, start in ENDS.items()} if args.command else CASES
    packages = ("torch", "pytorch-lightning", "torchmetrics", "hydra-core", "typer")
    print(", ".join(f"{name} {version(name)}" for name in packages), f"Python {platform.python_version()}", sep=", ")
    taken: dict[str, list[tuple[float, float]]] = {title: [] for title in cases}
    with tempfile.TemporaryDirectory() as cache:
        bytecode = {} if args.as_installed else {"PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        environment = os.environ | bytecode
        for arguments in cases.values():
            seconds(arguments, environment)  # files and bytecode are in place from now on
        for _ in range(args.repeats):
            for title, arguments in cases.items():
                taken[title].append(seconds(arguments, environment))
    print("| process | by the clock, s | CPU, s |\n|---|---|---|")
    for title, pairs in taken.items():
        clock, cpu = zip(*pairs, strict=True)
        print(f"| {title} | {spread(clock)} | {spread(cpu)} |")


if __name__ == "__main__":
    main()
