"""On what a run takes place: versions, machine, revision of the user's code, memory."""

import os
import platform
import resource
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from instageo.version import __version__

PACKAGES = ("torch", "pytorch-lightning", "rasterio", "numpy")

GIT_S = 10
"""Seconds that git may take to answer."""

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
"""Variables by which Lightning, torchrun and Slurm tell the processes of one run apart."""


def is_first_process() -> bool:
    """Whether this is the only process of the run, or the first of several."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def package_versions() -> dict[str, str | None]:
    """Of this program, Python and the packages that results depend on; None for one that is not installed."""
    found: dict[str, str | None] = {"instageo": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def describe_machine() -> dict[str, Any]:
    """The platform, its CPU cores, and the GPU that was computed on, if any."""
    cuda = _cuda()
    gpu = cuda.get_device_name() if cuda else None
    return {"platform": platform.platform(), "cpu_cores": os.cpu_count(), "gpu": gpu}


def cpu_name() -> str:
    """What the processor calls itself; its kind where it does not say."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cuda() -> Any:
    """`torch.cuda` where this process has used it: asking would otherwise take a second and GPU memory."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch and torch.cuda.is_initialized() else None


def git_revision(folder: Path) -> dict[str, Any] | None:
    """The commit that a folder's repository is at.

    Returns:
        `revision`, and whether tracked files differ from it (`dirty`; None if git is too slow to tell); None where
        there is no repository, no commit or no git.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"revision": commit, "dirty": None if changes is None else bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    """What git answers; None if it is not there, refuses or takes too long."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 fixed arguments
            [git, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=GIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def peak_memory() -> dict[str, int | None]:
    """Bytes: the most that this process has held (processes that read chips for it not counted), and of a GPU."""
    cuda = _cuda()
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "process_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "gpu_peak_bytes": cuda.max_memory_allocated() if cuda else None,
    }
