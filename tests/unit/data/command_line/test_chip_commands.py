import pytest

from instageo.data.chip_settings import ChipSettings
from instageo.data.command_line.chip_commands import _report
from instageo.data.output.tables import ChipReport


def test_a_run_that_is_stopped_tells_how_to_go_on(capsys):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _report(stop, ChipSettings("points.csv", "chips"))
    assert capsys.readouterr().err.startswith("stopped; the same command with --resume")


def test_the_list_of_reasons_is_named_if_there_are_any(tmp_path, capsys):
    for skipped, named in (({}, False), ({"night": 2}, True)):
        assert _report(lambda _, s=skipped: ChipReport(tmp_path, 1, 3, s), ChipSettings("points.csv", "chips")) == 0
        assert (f"is in {tmp_path}/skipped.csv" in capsys.readouterr().out) is named
