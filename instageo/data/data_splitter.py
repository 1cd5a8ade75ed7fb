"""Split a table of chips: `python -m instageo.data.data_splitter TABLE --flag=value`."""

import sys
from collections.abc import Sequence

from instageo.data.command_line.split_command import run_split_module


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    return run_split_module(arguments)


if __name__ == "__main__":
    sys.exit(main())
