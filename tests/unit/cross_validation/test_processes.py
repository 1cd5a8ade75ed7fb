"""Chains of commands run in processes: in order, several at a time, and none outlives an interruption."""

import sys
from contextlib import closing

from instageo.model.cross_validation.processes import Chain, LoggedCommand, run_chains


def step(tmp_path, name, code):
    return LoggedCommand([sys.executable, "-c", code], tmp_path / name / "output.log")


def test_the_commands_of_a_chain_run_one_after_another(tmp_path):
    file = tmp_path / "file"
    write = step(tmp_path, "one", f"open({str(file)!r}, 'w').write('1'); print('written')")
    read = step(tmp_path, "two", f"assert open({str(file)!r}).read() == '1'")
    [chain] = run_chains([Chain("both", [write, read])], 1)
    assert (chain.name, chain.error, chain.steps) == ("both", None, [])
    assert chain.seconds > 0
    assert write.log.read_text() == "written\n"


def test_a_failed_command_ends_its_chain_with_its_last_error(tmp_path):
    bad = step(tmp_path, "bad", "import sys; print('error: one thing'); sys.exit('error: the other')")
    never = step(tmp_path, "never", "pass")
    good = step(tmp_path, "good", "pass")
    ended = list(run_chains([Chain("first", [bad, never]), Chain("second", [good])], 1))
    assert [(chain.name, chain.error) for chain in ended] == [
        ("first", f"first: the other; see {bad.log}"), ("second", None),
    ]  # fmt: skip
    assert not never.log.exists()
    silent = step(tmp_path, "silent", "import os; os._exit(3)")
    killed = step(tmp_path, "killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    ended = list(run_chains([Chain(each.log.parent.name, [each]) for each in (silent, killed)], 1))
    assert [chain.error for chain in ended] == [
        f"silent: ended with status 3; see {silent.log}", f"killed: was killed by signal 9; see {killed.log}",
    ]  # fmt: skip


def test_several_chains_run_at_a_time(tmp_path):
    """Each waits for a file that the other writes."""
    code = (
        "import pathlib, time\n"
        "own, other = map(pathlib.Path, {files!r})\n"
        "own.write_text('')\n"
        "while not other.exists(): time.sleep(0.01)\n"
    )
    files = [str(tmp_path / name) for name in "ab"]
    steps = [step(tmp_path, f"step{n}", code.format(files=order)) for n, order in enumerate((files, files[::-1]))]
    ended = list(run_chains([Chain(str(number), [each]) for number, each in enumerate(steps)], 2))
    assert [chain.error for chain in ended] == [None, None]


def test_processes_that_share_the_cores_are_told_so(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    code = "import os; print(os.environ.get('OMP_NUM_THREADS'))"
    alone, shared = step(tmp_path, "alone", code), step(tmp_path, "shared", code)
    list(run_chains([Chain("alone", [alone])], 1))
    list(run_chains([Chain("shared", [shared])], 3))
    assert (alone.log.read_text(), shared.log.read_text()) == ("None\n", "2\n")


def test_running_processes_end_when_nobody_waits_for_them(tmp_path):
    mark = tmp_path / "ended"
    code = (
        "import pathlib, signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path({str(mark)!r}).write_text('in order'), sys.exit()))\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    long = step(tmp_path, "long", code)
    quick = step(
        tmp_path,
        "quick",
        f"import pathlib, time\nwhile 'ready' not in pathlib.Path({str(long.log)!r}).read_text(): time.sleep(0.05)",
    )
    with closing(run_chains([Chain("long", [long]), Chain("quick", [quick])], 2)) as ended:
        assert next(ended).name == "quick"
    assert mark.read_text() == "in order"
