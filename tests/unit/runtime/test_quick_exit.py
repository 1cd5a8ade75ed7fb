"""Programs that end without freeing their objects leave nothing undone."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import atexit, logging, sys, threading, time
from instageo.runtime.quick_exit import run_program

class Kept:
    def __del__(self):
        print("freed")

def work():
    time.sleep(0.3)
    print("thread")

def main():
    atexit.register(print, "atexit")
    threading.Thread(target=work).start()
    print("main")
    {end}

kept = Kept()
run_program(main)
"""


def run(end, **options):
    """Run the program in a process of its own."""
    code = PROGRAM.format(end=end)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(
    ("end", "status"),
    [("return None", 0), ("return 3", 3), ("sys.exit()", 0), ("sys.exit(4)", 4), ("return True", 1)],
)
def test_threads_are_waited_for_and_nothing_is_freed(end, status):
    done = run(end)
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout.split() == ["main", "thread", "atexit"]


def test_what_is_no_status_is_left_to_python():
    done = run('sys.exit("too bad")')
    assert (done.returncode, done.stderr) == (1, "too bad\n")
    done = run("raise ValueError('why')")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ValueError: why"
    assert done.stdout.split() == ["main", "thread", "atexit", "freed"]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is a device of Linux")
def test_output_that_cannot_be_written_is_no_success():
    command = [sys.executable, "-c", PROGRAM.format(end="return 0")]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, env=buffered)
    assert done.returncode == 120  # Python's own
    assert b"No space left on device" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="shells of Windows close no streams")
@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_program_without_a_stream_ends_well(closed):
    program = "from instageo.runtime.quick_exit import run_program; run_program(lambda: None)"
    command = ["sh", "-c", f'"$0" -c "$1" {closed}>&-', sys.executable, program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
