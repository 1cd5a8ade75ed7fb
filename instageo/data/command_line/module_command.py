"""Run a command as a module: `python -m instageo.data.chip_creator --flag=value`."""

import sys
from collections.abc import Sequence
from typing import Any

import typer

from instageo.data.command_line.former_flags import FormerFlags, modern_arguments
from instageo.errors import InstaGeoError
from instageo.files import describe_os_error
from instageo.runtime.streams import accept_any_text
from instageo.runtime.termination import TERMINATED, interrupt_on_sigterm


def run_module(
    app: typer.Typer,
    command: str,
    settings_type: Any,
    arguments: Sequence[str] | None = None,
    former: FormerFlags | None = None,
) -> int:
    """Run a command with the flags of a module, show errors as one sentence, and return its status.

    Args:
        app: Application of Typer with the command.
        command: Name of the command in it; empty if it has no other.
        settings_type: Settings of the command.
        arguments: As on the command line, which they are taken from by default.
        former: Flags of the module that are no options of the command.
    """
    accept_any_text()
    given, former = sys.argv[1:] if arguments is None else arguments, former or FormerFlags()
    with interrupt_on_sigterm() as termination:
        try:
            modern = modern_arguments(settings_type, [*former.defaults, *given], former)
            app([command, *modern] if command else modern)
        except (InstaGeoError, OSError) as error:
            sentence = describe_os_error(error) if isinstance(error, OSError) else str(error)
            sys.stderr.write(f"error: {sentence}\n")
            return 1
        except SystemExit as end:
            return TERMINATED if termination.received else int(end.code or 0)
    return 0
