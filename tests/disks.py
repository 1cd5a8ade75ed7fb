"""Disks that refuse to write."""

import os
import resource
import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def file_size_limit(num_bytes):
    """Let this process write no file of more bytes, as `ulimit -f` and quotas do."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def mounted_disk(folder, size):
    """Mount a small disk in memory at a folder; yields a function that makes it read-only."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
