import pytest
import typer
from typer.testing import CliRunner

from instageo.cli import COMMANDS, app, main


def test_help_lists_every_command_in_the_order_of_use():
    assert sorted(typer.main.get_command(app).commands) == sorted(COMMANDS)
    lines = [line.strip("│ ") for line in CliRunner().invoke(app, ["--help"]).output.splitlines()]
    names = [line.split(" ")[0] for line in lines if line.split(" ")[0] in COMMANDS]
    assert names == list(COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["map", "x", "--overlp", "3"], "unknown option --overlp; did you mean --overlap? see instageo map --help"),
        (["version", "--x"], "unknown option --x; see instageo version --help"),
        (["mpa"], "no such command 'mpa'; did you mean 'map'? see instageo --help"),
        (["registry", "lst"], "no such command 'lst'; did you mean 'list'? see instageo registry --help"),
        (["map"], "issing argument"),
        (["map", "x", "--tile", "small"], "nvalid value for '--tile'"),
    ],
)
def test_wrong_arguments_are_told_in_one_sentence(arguments, sentence):
    done = CliRunner().invoke(app, arguments, prog_name="instageo")
    assert (done.exit_code, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("error: instageo")
    assert sentence in line


def test_help_and_no_arguments_show_the_commands():
    for arguments, status in (([], 2), (["registry"], 2), (["--help"], 0), (["map", "--help"], 0)):
        done = CliRunner().invoke(app, arguments)
        assert (done.exit_code, "Usage: " in done.output) == (status, True)


@pytest.mark.parametrize(
    "command", ["split missing.csv --by random --debug", "--debug check missing.csv", "run mode=eval --debug"]
)
def test_debug_shows_the_traceback_wherever_it_stands_in_a_command(monkeypatch, capfd, command):
    arguments = command.split()
    for shown in (True, False):
        monkeypatch.setattr("sys.argv", ["instageo", *(each for each in arguments if shown or each != "--debug")])
        with pytest.raises(SystemExit, match="1"):
            main()
        errors = capfd.readouterr().err
        assert errors.splitlines()[-1].startswith("error: ")
        assert ("Traceback (most recent call last)" in errors) == shown
