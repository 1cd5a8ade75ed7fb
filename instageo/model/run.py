"""Run a mode: `python -m instageo.model.run key=value …`, the entry to training, scoring, statistics and inference."""

import sys
from collections.abc import Sequence

from instageo.errors import MissingExtraError
from instageo.extras import required_by
from instageo.runtime.quick_exit import run_program
from instageo.runtime.streams import accept_any_text
from instageo.runtime.termination import INTERRUPTED, TERMINATED, interrupt_on_sigterm

FAILED = 1
"""Exit status after an error."""

EXTRAS = "model,cpu"
"""Extras that every mode needs; `cpu` and `gpu` bring the same packages."""

RESUME_HINT = (
    "train.resume=true continues a training after its last complete epoch, the same output_dir continues chip_inference"
)


def main(arguments: Sequence[str] | None = None, *, program: str = "instageo run") -> int:
    """Run the command line.

    Args:
        arguments: Overrides such as `train.num_epochs=3`, and Hydra's own flags; None for `sys.argv`. `--debug` shows
            tracebacks.
        program: Name of the command, for messages.

    Returns:
        Exit status: 0, 1 after an error (reported in one sentence on stderr), 130 after Ctrl-C, or 143 after SIGTERM.
    """
    accept_any_text()
    with interrupt_on_sigterm() as termination:
        try:
            with required_by(program, EXTRAS):
                from instageo.model.hydra_job import run_with_hydra
            errors = run_with_hydra(sys.argv[1:] if arguments is None else arguments)
        except MissingExtraError as error:
            errors = [str(error)]
        except KeyboardInterrupt:
            reason = "stopped by SIGTERM" if termination.received else "interrupted"
            sys.stderr.write(f"{reason}; {RESUME_HINT}\n")
            return TERMINATED if termination.received else INTERRUPTED
    for sentence in errors:
        sys.stderr.write(f"error: {sentence}\n")
    return FAILED if errors else 0


if __name__ == "__main__":
    run_program(main)
