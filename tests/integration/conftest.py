"""A tiny data set that a network can be trained on, and the command line in this process."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from affine import Affine
from matplotlib.figure import Figure

from instageo.cli import main as instageo_main
from instageo.model.run import main
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster
from instageo.table import write_table
from tests import warm_process

FOLDER = Path(__file__).parent

SIDE = 32
QUICK = [
    "model.model_name=prithvi_eo_tiny",
    "model.load_pretrained_weights=false",
    "model.head=upscaling",
    "model.depth=1",
    "train.batch_size=2",
    "train.num_epochs=1",
    "train.learning_rate=0.001",
    "accelerator=cpu",
]


def write_chips(folder, *, num_dates=1, classes=2, count=6, side=SIDE, seed=0):
    """Write chips whose bands show the class, matching labels, no-data in one corner; tables train, valid, test."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        label = rng.integers(0, classes, (side // 8, side // 8)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
        image = (label.astype(int) * 1500 + rng.integers(500, 900, (6 * num_dates, side, side))).astype(np.int16)
        image[:, :4, :4] = -9999
        grid = Grid("EPSG:32614", Affine(30, 0, 500_000 + 960 * number, 0, -30, 4_000_000), side, side)
        row = {"Input": f"chips/chip_{number}.tif", "Label": f"labels/label_{number}.tif"}
        write_raster(folder / row["Input"], image, grid)
        write_raster(folder / row["Label"], label[None], grid)
        rows.append(row)
    for name, records in {"train": rows[:-2], "valid": rows[-2:-1], "test": rows[-1:]}.items():
        write_table(folder / f"{name}.csv", records)
    return folder


@pytest.fixture(scope="session")
def warm_command():
    """Function that returns the command of a module, which runs in a process that has PyTorch loaded."""
    return warm_process.command


@pytest.fixture
def short_folder():
    """A folder with a short path, since Ray has sockets in it."""
    with TemporaryDirectory(prefix="w", dir="/tmp", ignore_cleanup_errors=True) as path:
        yield Path(path)


@pytest.fixture
def data(tmp_path):
    """Folder with six chips of two classes."""
    return write_chips(tmp_path / "data")


@pytest.fixture
def run(tmp_path, capfd):
    """Run the command line with its own run directory; returns exit status, stdout, stderr."""

    def call(*arguments, folder="run"):
        status = main([*arguments, f"hydra.run.dir={tmp_path / folder}"])
        captured = capfd.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Catalogues and files that fail are asked again at once."""
    monkeypatch.setattr("instageo.data.retries.WAITS_S", (0.01,) * 5)
    monkeypatch.setattr("instageo.stores.retry.FIRST_WAIT_S", 0.01)


@pytest.fixture(autouse=True)
def coarse_pictures(monkeypatch):
    """Pictures of areas have few pixels, curves and tables of scores have them and standard margins.

    Drawing them takes longer than training tiny networks. Their looks are tested where they are drawn, in `tests/unit`.
    """
    monkeypatch.setattr("instageo.area_maps.pictures.area_pictures.DPI", 40)
    savefig = Figure.savefig

    def draw(figure, path, **options):
        if figure.get_layout_engine() is not None:
            figure.set_layout_engine("none")
            options["dpi"] = 40
        savefig(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", draw)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A data folder and the run directory of a network trained on it for two epochs."""
    base = tmp_path_factory.mktemp("trained")
    data = write_chips(base / "data")
    tables = [f"root_dir={data}", "train_filepath=train.csv", "valid_filepath=valid.csv"]
    assert main([*tables, *QUICK, "train.num_epochs=2", f"hydra.run.dir={base / 'run'}"]) == 0
    return data, base / "run"


@pytest.fixture(scope="session")
def small_network(tmp_path_factory):
    """The run directory of a small network that tells the two classes of its chips apart; see `maps.py`."""
    from tests.integration.maps import train_small

    return train_small(tmp_path_factory.mktemp("small_network"))


@pytest.fixture
def instageo(monkeypatch, capfd):
    """Run the command `instageo` in this process; returns exit status, stdout, stderr."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["instageo", *map(str, arguments)])
        status = 0
        try:
            instageo_main()
        except SystemExit as end:
            status = end.code or 0
        captured = capfd.readouterr()
        return status, captured.out, captured.err

    return call


def pytest_collection_modifyitems(items):
    """Mark every test in this folder as slow: it runs whole commands."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.slow)
