"""Processes of tests that are forked from one that has PyTorch and the package loaded, so that they begin soon."""

import multiprocessing

import torch

from tests import warm_process

PRELOADED = [
    *warm_process.PRELOADED, "instageo.model.map_jobs.from_settings", "instageo.model.metrics.regression",
    "instageo.model.metrics.segmentation", "hypothesis", "pytest", "scipy.stats", "sklearn.metrics",
]  # fmt: skip
"""Modules of what is run in such processes; all tests share one server."""


def fork_context():
    """Return the context of `multiprocessing` that starts such processes; they lack the variables that tests set."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def run_in_two(function, *arguments):
    """Run a function in two processes; its first argument is the number of the process, 0 or 1."""
    fork_context()
    torch.multiprocessing.start_processes(function, arguments, nprocs=2, start_method="forkserver")
