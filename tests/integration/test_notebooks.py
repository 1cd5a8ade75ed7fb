"""The notebooks run from top to bottom without a network connection, and hold no outputs."""

import csv
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

CHAIN = ("chip_creator_demo", "raster_chip_creator_demo", "data_cleaner_demo", "data_splitter_demo")
"""Notebooks that work in one folder, in this order."""


def read(path):
    import nbformat

    return nbformat.read(path, as_version=4)


def test_there_are_notebooks():
    names = [
        "chip_creator_demo", "data_cleaner_demo", "data_splitter_demo", "flood_map", "map_and_look",
        "raster_chip_creator_demo", "train_in_a_notebook",
    ]  # fmt: skip
    assert [path.stem for path in NOTEBOOKS] == names


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_hold_no_outputs(path):
    for cell in read(path).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.fixture
def kernel(warm_command, tmp_path, monkeypatch):
    """Name of a kernel of Jupyter that starts within a second."""
    folder = tmp_path / "jupyter" / "kernels" / "warm"
    folder.mkdir(parents=True)
    draws = "--matplotlib=inline"  # Matplotlib, loaded before, has not asked Jupyter for its backend
    command = [*warm_command("ipykernel_launcher"), draws, "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "Python", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", f"{tmp_path / 'jupyter'}")
    return folder.name


@pytest.fixture
def execute(kernel, monkeypatch):
    """Return a function that runs a notebook in a folder, and checks that it draws something."""
    from nbclient import NotebookClient

    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # test processes share the cores
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def run(path, folder):
        book = read(path)
        options = {"timeout": 600, "kernel_name": kernel, "resources": {"metadata": {"path": str(folder)}}}
        NotebookClient(book, **options).execute()
        outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
        assert any("image/png" in output.get("data", {}) for output in outputs)

    return run


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own packages
@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem not in CHAIN], ids=lambda path: path.stem)
def test_notebooks_run_and_draw(path, tmp_path, execute):
    execute(path, tmp_path)


@pytest.mark.filterwarnings("ignore")  # of Jupyter's own packages
def test_notebooks_of_a_chain_take_up_what_those_before_have_made(tmp_path, execute, monkeypatch):
    """From chips to training in one folder: each table has the chips of the one before, less those dropped."""
    for name in CHAIN:
        execute(FOLDER / f"{name}.ipynb", tmp_path)
    demo = tmp_path / "instageo_demo"
    made = (demo / "chips" / "chips.csv").stat().st_mtime_ns
    assert made < (demo / "chips" / "all_clean.csv").stat().st_mtime_ns  # by the second notebook, not the last
    chips, cleaned = chip_names(demo / "chips" / "chips.csv"), chip_names(demo / "chips" / "all_clean.csv")
    assert len(cleaned) == len(chips) - 4  # without three spoiled ones, and one at the edge of the scene
    assert set(cleaned) < set(chips)
    record = json.loads((demo / "blocks" / "split.json").read_text())
    assert (demo / "blocks" / record["table"]).resolve() == (demo / "chips" / "all_clean.csv").resolve()
    parts = [chip_names(demo / "blocks" / f"{part}.csv") for part in ("train", "val", "test", "dropped")]
    assert sorted(name for part in parts for name in part) == sorted(cleaned)
    run = json.loads((demo / "run" / "run.json").read_text())
    assert run["tables"]["train_filepath"]["chips"] == len(parts[0])
    assert 0 <= json.loads((demo / "run" / "metrics.json").read_text())["mIoU"] <= 1
    namespace = {}
    (tmp_path / "alone").mkdir()
    monkeypatch.chdir(tmp_path / "alone")
    for source in code_cells(CHAIN[3])[:2]:  # without the other notebooks, they make the table that is missing
        exec(source, namespace)
    assert namespace["TABLE"].is_file()
    assert Path("instageo_demo/chips/chips.csv").read_bytes() == (demo / "chips" / "chips.csv").read_bytes()
    assert chip_settings(CHAIN[2]) == chip_settings(CHAIN[3])


def code_cells(name):
    return [cell.source for cell in read(FOLDER / f"{name}.ipynb").cells if cell.cell_type == "code"]


def chip_settings(name):
    """Return the call by which a notebook makes chips, without spaces."""
    return "".join(code_cells(name)[1].partition("ChipSettings(")[2].partition("summary()")[0].split())


def chip_names(table):
    with open(table, newline="") as file:
        return [Path(row["Input"]).name for row in csv.DictReader(file)]
