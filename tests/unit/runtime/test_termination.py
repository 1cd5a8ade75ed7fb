"""SIGTERM ends a program in order, and once."""

import os
import signal
import subprocess
import sys
import time

import pytest

from instageo.runtime.termination import handler_kept, interrupt_on_sigterm


def test_sigterm_is_an_interrupt_inside_the_block_alone():
    before = signal.getsignal(signal.SIGTERM)
    with interrupt_on_sigterm() as termination:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        assert termination.received
        os.kill(os.getpid(), signal.SIGTERM)  # a second one does not disturb what the first one began
    assert signal.getsignal(signal.SIGTERM) is before


def test_inner_blocks_share_the_handler_which_libraries_do_not_replace():
    with interrupt_on_sigterm() as outer:
        with interrupt_on_sigterm() as inner:
            assert inner is outer
        with handler_kept():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as a library would
        assert signal.getsignal(signal.SIGTERM) is outer


def test_a_signal_in_a_destructor_is_not_lost():
    class Held:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    with interrupt_on_sigterm() as termination:
        held = Held()
        del held  # raises in the destructor, which Python does not pass on
        assert not termination.received
        with pytest.raises(KeyboardInterrupt):
            time.sleep(60)
        assert termination.received


def test_a_forked_process_ends_at_once():
    code = """
import os, signal, time
from instageo.runtime.termination import interrupt_on_sigterm
with interrupt_on_sigterm():
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{-signal.SIGTERM}\n"
