"""Programs that are forked from a process that has PyTorch loaded behave as those that Python starts."""

import signal
import subprocess
import sys

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Python is started")

TELLING = """
import os, sys
print(os.getcwd(), os.environ.get("MARK"), os.environ.get("UNSET"), sys.argv[1:], sys.stdin.read(), __name__)
print("warm" if "torch" in sys.modules else "cold", file=sys.stderr)
sys.exit(7)
"""


def test_folder_environment_arguments_streams_and_status(warm_command, tmp_path):
    (tmp_path / "telling.py").write_text(TELLING)
    done = subprocess.run(
        [*warm_command("telling"), "one word", "x=1"],
        cwd=tmp_path, env={"MARK": "7"}, input="typed", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == f"{tmp_path} 7 None ['one word', 'x=1'] typed __main__\n"
    assert (done.stderr, done.returncode) == ("warm\n", 7)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_signals_end_the_program(warm_command, tmp_path, number):
    (tmp_path / "waiting.py").write_text("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n")
    with subprocess.Popen(warm_command("waiting"), cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        program = psutil.Process(int(process.stdout.readline()))
        process.send_signal(number)
        assert process.wait(60) == -number
    assert psutil.wait_procs([program], timeout=60)[1] == []
