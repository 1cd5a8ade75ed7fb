import typer
from typer.testing import CliRunner

from instageo.cli import COMMANDS, app


def test_help_lists_every_command_in_the_order_of_use():
    assert sorted(typer.main.get_command(app).commands) == sorted(COMMANDS)
    lines = [line.strip("│ ") for line in CliRunner().invoke(app, ["--help"]).output.splitlines()]
    names = [line.split(" ")[0] for line in lines if line.split(" ")[0] in COMMANDS]
    assert names == list(COMMANDS)
