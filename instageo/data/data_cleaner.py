"""Check a table of chips: `python -m instageo.data.data_cleaner TABLE --flag=value`."""

import sys
from collections.abc import Sequence

from instageo.data.cleaning.clean_settings import CleanSettings
from instageo.data.command_line.clean_command import app
from instageo.data.command_line.module_command import run_module


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    return run_module(app, "", CleanSettings, arguments)


if __name__ == "__main__":
    sys.exit(main())
