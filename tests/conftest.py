"""Tiny GeoTIFFs for every test."""

import gc
import itertools
import logging
import os
import shutil
import signal
import sys

import absl.logging
import hypothesis
import numpy as np
import pytest
import torch
from affine import Affine
from rasterio.crs import CRS

from instageo.model.graphs.openvino_package import TELEMETRY
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster
from tests.http_server import running

hypothesis.settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=50,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # it measures how busy the machine is
)
hypothesis.settings.load_profile("repeatable")

# Test processes share the cores; with all cores each, PyTorch's threads would wait for one another.
THREADS = max((os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), 1)
torch.set_num_threads(THREADS)
os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))  # training does not measure, so that its sums are the same

# PyTorch brings a million objects that stay; looking through them for garbage took an eighth of the time.
gc.set_threshold(50_000, 20, 100)

# No test cuts the power, and waiting for the disk takes a tenth of the time.
os.fsync = lambda descriptor: None

# Packages import absl, whose handler closes the stream that it was made with: here the one that pytest captures with.
absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__

# CPUs with AMX and without compute alike: `precision=auto` is 32-true, and sums are rounded in the same way.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")

# Programs that tests start need not compile the package again each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Test modules import OpenVINO by themselves, whose telemetry would look for its servers all the time.
sys.modules.setdefault(TELEMETRY, None)

# A shell that starts a job in the background lets it ignore Ctrl-C, and the programs that tests start would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

CRS_WKT = CRS.from_epsg(32617).to_wkt()
TRANSFORM = Affine(30, 0, 500_000, 0, -30, 4_000_000)
"""Pixels of 30 m; the upper left corner lies at (500000, 4000000)."""


def pytest_collection_finish():
    """Leave what was imported out of the search for garbage."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure():
    """Let Python free it at the end, or packages would report it as lost."""
    gc.unfreeze()


LEVELS: dict[str, int] = {}
"""Level that each logger had when a test first met it."""


def reset_log():
    """Undo what commands that ran in this process have set: levels, silenced loggers, handlers."""
    root, loggers = logging.getLogger(), logging.Logger.manager.loggerDict
    for name, logger in [("", root), *loggers.items()]:
        if isinstance(logger, logging.Logger):
            logger.disabled = False
            level = LEVELS.setdefault(name, logger.level)
            if logger.level != level:  # setting a level clears the caches of all loggers, of which there are thousands
                logger.setLevel(level)
            if name.startswith("torch"):  # pytest would attach handlers to each, and PyTorch write traces for them
                logger.propagate = True
    for handler in [handler for handler in root.handlers if type(handler).__module__ != "_pytest.logging"]:
        root.removeHandler(handler)
        handler.close()
    logging.disable(logging.NOTSET)


reset_log()


def not_of_pytorch(record):
    """Whether a line is not PyTorch's, which depends on the machine: "No CUDA runtime is found", for example."""
    return not record.name.startswith("torch")


@pytest.fixture(autouse=True)
def own_log(caplog):
    """No test finds the log as another has left it."""
    reset_log()
    caplog.handler.addFilter(not_of_pytorch)


CACHES = itertools.count()


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test finds what another has left in the cache."""
    folder = tmp_path_factory.getbasetemp() / "caches" / str(next(CACHES))  # made by those who need it
    monkeypatch.setenv("INSTAGEO_CACHE", str(folder))
    yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_raster(tmp_path):
    """Function that writes values (H, W) or (L, H, W) below `tmp_path` and returns the path."""

    def make(name, values, *, crs=CRS_WKT, transform=TRANSFORM, **options):
        values = np.asarray(values)
        values = values[None] if values.ndim == 2 else values
        write_raster(tmp_path / name, values, Grid(crs, transform, *values.shape[1:]), **options)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def _server(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    with running(root) as port:
        yield root, port


@pytest.fixture
def store(_server, tmp_path, monkeypatch):
    """A folder and the http URL that serves it, this test's own."""
    root, port = _server
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    (root / tmp_path.name).mkdir()
    return root / tmp_path.name, f"http://127.0.0.1:{port}/{tmp_path.name}"


@pytest.fixture
def grid():
    """Function that gives the grid of so many rows and columns."""
    return lambda height, width: Grid(CRS_WKT, TRANSFORM, height, width)
