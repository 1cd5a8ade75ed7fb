"""Commands `instageo map` in the README and on the pages have only options that exist, and that go together."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer

from instageo.area_maps.map_command import area_requests
from instageo.cli import app

ROOT = Path(__file__).parents[3]
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "notebooks" / "flood_map.ipynb"]


def commands():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
        for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("instageo map "):
                    yield pytest.param(shlex.split(line, comments=True)[2:], id=f"{path.name}: {line[:60]}")


def test_there_are_commands():
    assert len(list(commands())) >= 9


@pytest.mark.parametrize("arguments", list(commands()))
def test_commands_have_options_that_exist(arguments):
    command = typer.main.get_command(app).commands["map"]
    values = command.make_context("map", list(arguments)).params
    if values["area"] is not None:
        assert area_requests(values)
