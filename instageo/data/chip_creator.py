"""Make chips from a table of points: `python -m instageo.data.chip_creator --flag=value`."""

import sys
from collections.abc import Sequence

from instageo.data.command_line.chip_commands import run_chip_module


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    return run_chip_module("points", arguments)


if __name__ == "__main__":
    sys.exit(main())
