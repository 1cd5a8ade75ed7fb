"""Commands that are made from the fields of settings."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import typer
from typer.testing import CliRunner

from instageo.data.command_line.former_flags import FormerFlags
from instageo.data.command_line.module_command import run_module
from instageo.data.command_line.option import check_choices, option
from instageo.data.command_line.settings_command import settings_command
from instageo.errors import ConfigError


@dataclass(frozen=True)
class CutSettings:
    tables: tuple[str, ...] = option((), "Tables.", metavar="TABLE", is_argument=True, former="table_paths")
    shares: tuple[float, ...] = option((70.0, 15.0), "Shares.")
    way: str = option("random", "How.", choices=("random", "blocks"))
    limit: float | None = option(None, "Limit, km.", former="max_km")
    names: Mapping[str, str] = option({}, "Names.", metavar="PART=NAME")
    quick: bool = option(False, "Be quick.")

    def __post_init__(self):
        check_choices(self)


@pytest.fixture
def called():
    """Application with the command, and the settings that it was called with."""
    settings = []
    app = typer.Typer()
    app.command("cut")(settings_command(lambda given: settings.append(given) or 0, CutSettings, "Cut."))
    app.command("other")(lambda: None)
    return app, settings


def test_options_become_the_fields_they_are_declared_for(called):
    app, settings = called
    arguments = "cut a.csv b.csv --shares 60,20,20 --way blocks --limit 2.5 --names train=a,val=b --quick"
    assert CliRunner().invoke(app, arguments.split()).exit_code == 0
    assert CliRunner().invoke(app, ["cut", "a.csv"]).exit_code == 0
    names = {"train": "a", "val": "b"}
    assert settings == [
        CutSettings(("a.csv", "b.csv"), (60.0, 20.0, 20.0), "blocks", 2.5, names, True), CutSettings(("a.csv",)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--shares 70,x", "shares=70,x does not work; expected numbers with commas between them"),
        ("--names train", "names=train does not work; expected PART=NAME pairs with commas between them"),
        ("--way block", "way=block is unknown; choose one of random, blocks; did you mean blocks?"),
    ],
)
def test_values_that_do_not_work_are_refused(called, arguments, sentence):
    error = CliRunner().invoke(called[0], ["cut", "a.csv", *arguments.split()]).exception
    assert isinstance(error, ConfigError)
    assert str(error) == sentence


def test_a_command_asks_for_what_it_needs_and_leaves_out_what_it_has_no_use_for():
    app = typer.Typer()
    app.command()(settings_command(lambda _: 3, CutSettings, "Cut.", required=("limit",), leave_out=("quick",)))
    run = CliRunner().invoke
    assert run(app, ["a.csv", "--limit", "1"]).exit_code == 3
    assert "Missing option '--limit'" in run(app, ["a.csv"]).output
    assert "No such option: --quick" in run(app, ["a.csv", "--limit", "1", "--quick"]).output


def test_a_module_accepts_former_flags_and_returns_the_status(called, capsys):
    app, settings = called
    former = FormerFlags(("--max-km=7",), {"in_blocks": lambda is_set: f"--way={'blocks' if is_set else 'random'}"})
    arguments = ["--table_paths=a.csv", "--in_blocks", "--noquick", "--shares", "50,50"]
    assert run_module(app, "cut", CutSettings, arguments, former) == 0
    assert settings == [CutSettings(("a.csv",), (50.0, 50.0), "blocks", 7.0)]
    assert run_module(app, "cut", CutSettings, ["a.csv", "--quick=perhaps"], former) == 1
    assert capsys.readouterr().err == "error: --quick=perhaps does not work; expected true or false\n"
