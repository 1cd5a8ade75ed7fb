"""SIGTERM, with which schedulers and service managers end a program, stops it in order, as Ctrl-C does."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143
"""Exit status after Ctrl-C and after SIGTERM, as shells report them."""


class Termination:
    """A handler of SIGTERM that raises `KeyboardInterrupt`, once, in the process that installed it.

    It raises no exception of its own, because libraries that call back into Python pass on no other.

    Attributes:
        received: Whether the signal has arrived.
    """

    def __init__(self) -> None:
        self.received, self._process = False, os.getpid()

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Handle the signal; a process that was forked from the one that installed the handler ends at once."""
        if os.getpid() != self._process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not self.received:  # a second signal must not stop what the first one began
            self.interrupt()

    def interrupt(self) -> None:
        """Raise `KeyboardInterrupt` on behalf of the signal."""
        self.received = True
        raise KeyboardInterrupt


_installed: list[Termination] = []
"""The handler in use, if any."""


@contextmanager
def interrupt_on_sigterm() -> Iterator[Termination]:
    """Raise `KeyboardInterrupt` on SIGTERM inside this block; blocks within such a block share its handler."""
    if _installed or threading.current_thread() is not threading.main_thread():
        yield _installed[0] if _installed else Termination()
        return
    before = signal.getsignal(signal.SIGTERM)
    _installed.append(Termination())
    install_again()
    try:
        yield _installed[0]
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
        _installed.clear()


def interrupt() -> None:
    """Raise `KeyboardInterrupt` inside such a block, where a library's own handler has received the signal."""
    if _installed:
        _installed[0].interrupt()


def was_terminated() -> bool:
    """Return whether SIGTERM has arrived inside such a block."""
    return bool(_installed) and _installed[0].received


def install_again() -> None:
    """Install the handler again, after a library has replaced it by its own; do nothing outside of such a block."""
    if _installed and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _installed[0])
