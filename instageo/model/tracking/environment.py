"""The environment of a run: package versions, machine, revision of the user's code, memory."""

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
"""Seconds after which a call of git is given up."""

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
"""Environment variables in which Lightning, torchrun and Slurm number the processes of a run."""


def is_first_process() -> bool:
    """Return whether this is the only process of the run, or the first of several."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def package_versions() -> dict[str, str | None]:
    """Return versions of this program, Python and the packages results depend on; None for a missing package."""
    versions: dict[str, str | None] = {"instageo": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return versions


def describe_machine() -> dict[str, Any]:
    """Return platform, number of CPU cores, and the GPU in use; None for a GPU if this process uses none."""
    cuda = _cuda()
    gpu = cuda.get_device_name() if cuda else None
    return {"platform": platform.platform(), "cpu_cores": os.cpu_count(), "gpu": gpu}


def cpu_name() -> str:
    """Return the model name of the processor, or its architecture if the system does not report one."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cuda() -> Any:
    """Return `torch.cuda` if this process has used it; to initialise it takes a second and GPU memory."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch and torch.cuda.is_initialized() else None


def git_revision(folder: Path) -> dict[str, Any] | None:
    """Return the commit that a folder's repository is at.

    Returns:
        `revision`, and whether tracked files differ from it (`dirty`; None if git took too long); None if there is
        no repository, no commit or no git.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"revision": commit, "dirty": None if changes is None else bool(changes)}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return the output of git; None if git is missing, fails or takes too long."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        completed = subprocess.run(  # noqa: S603 fixed arguments
            [git, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=GIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return completed.stdout.strip()


def peak_memory() -> dict[str, int | None]:
    """Return peak memory in bytes of this process, without its data-loading workers, and of the GPU it uses."""
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "process_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "gpu_peak_bytes": _gpu_peak() if _cuda() else None,
    }


def _gpu_peak() -> int:
    from instageo.model.gpu.peak_memory import peak_bytes

    return peak_bytes()
