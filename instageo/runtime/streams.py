"""Standard output and error that take any text, whatever the encoding of the terminal."""

import io
import sys


def accept_any_text() -> None:
    r"""Let both streams write `\u6c34` in place of a character that their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
