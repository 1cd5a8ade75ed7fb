"""Map an area in a process of its own, for a server: `python -m instageo.area_maps.job_runner`.

The first line of standard input is the order (`JobOrder`). Standard input then stays open: when it ends, the server has
died, and so does this process. Standard output gets one JSON object per line: `{"progress": [text, done, total]}`, and
at the end `{"done": true, "missing": sentence}`, `{"plan": {…}}` or `{"error": sentence}`.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from instageo.area_maps.job_messages import order_from_json
from instageo.area_maps.request import AreaOutput, AreaRequest
from instageo.errors import DataError, InstaGeoError, OutOfMemoryError
from instageo.files import describe_os_error
from instageo.plain_values import load_json
from instageo.runtime.quick_exit import run_program
from instageo.runtime.termination import INTERRUPTED, interrupt_on_sigterm
from instageo.stores.lock import LockedError, hold_folder

Progress = Callable[[str, int, int], None]

Requests = Mapping[str, AreaRequest]

GRACE_S = 20.0
"""Seconds after which this process ends by force once the server has died."""

LOCK_WAIT_S = 30.0
"""Seconds to wait for the process of the same job that a killed server has left."""

OOM_SCORE = 500
"""Linux ends processes with a higher score first when memory runs out, so that the server stays."""

NICENESS = 5
"""The server's own predictions take precedence over jobs."""

INTERNAL_ERROR = "an internal error occurred; the log of the job (job.log in its folder on the server) describes it"


class AreaRunner(Protocol):
    """What makes maps of areas and their plans."""

    def run(self, model: str, requests: Requests, output: AreaOutput, progress: Progress) -> str:
        """Write maps, and return what is missing, or an empty text.

        A second call with the same arguments continues where the first one ended.

        Args:
            model: Checkpoint, folder of a run, or `registry:…`.
            requests: The area, the days and the images, by the name of their period.
            output: Where and how maps are written.
            progress: Called with a sentence, the number of steps that are done, and of all steps.
        """

    def plan(self, model: str, requests: Requests, output: AreaOutput) -> dict[str, Any]:
        """Return how many tiles, images, MB and minutes maps would take; write nothing."""


class AreaMapRunner:
    """Maps areas with the package's own code."""

    def run(self, model: str, requests: Requests, output: AreaOutput, progress: Progress) -> str:
        """Write maps; see `AreaRunner.run`."""
        from instageo.area_maps.period_run import load_period_run

        def show(name: str) -> AbstractContextManager[Progress]:
            number = list(requests).index(name)

            def advance(text: str, done: int, total: int) -> None:
                steps = 1000 * number + 1000 * done // max(total, 1)
                progress(f"{name}: {text}" if name else text, steps, 1000 * len(requests))

            return nullcontext(advance)

        made = load_period_run(model, requests, output).make(show)
        tiles = [tile for maps in made.made for tile in maps.tiles]
        failed = [tile.tile for tile in tiles if tile.error is not None]
        missing = _without_image(requests, [name for name, maps in made.periods.items() if maps is not None])
        if failed:
            missing.append(
                f"{len(failed)} of {len(tiles)} tiles could not be mapped ({', '.join(failed)}); the report says why"
            )
        return "; ".join(missing)

    def plan(self, model: str, requests: Requests, output: AreaOutput) -> dict[str, Any]:
        """Return the plan of maps; see `AreaRunner.plan`."""
        from instageo.area_maps.area_plan import join_plans
        from instageo.area_maps.period_run import load_period_run

        plans = dict(load_period_run(model, requests, output).plan())
        if not plans:
            raise DataError("no period has an image of the area; widen the dates, or choose longer periods")
        joined = join_plans(plans)
        return replace(joined, notes=(*joined.notes, *_without_image(requests, list(plans)))).to_json()


def _without_image(requests: Requests, found: Sequence[str]) -> list[str]:
    """Return a sentence on the periods that have no image; nothing if all have."""
    without = [name for name in requests if name not in found]
    have = "has" if len(without) == 1 else "have"
    return [f"{len(without)} of {len(requests)} periods {have} no image ({', '.join(without)})"] if without else []


def run_order(runner: AreaRunner) -> int:
    """Do what standard input asks for, and return the exit status of this process."""
    send = _claim_output()
    with suppress(OSError):  # not every system has them, and neither is needed
        os.nice(NICENESS)
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    try:
        with interrupt_on_sigterm():
            order = order_from_json(load_json(sys.stdin.readline()))
            threading.Thread(target=_follow_server, daemon=True).start()
            if order.command == "plan":
                send({"plan": runner.plan(order.model, order.requests, order.output)})
                return 0
            progress = _progress(send)
            missing = _run_locked(lambda: runner.run(order.model, order.requests, order.output, progress), order.output)
            send({"done": True, "missing": missing})
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        send({"error": str(OutOfMemoryError("the memory of the server ran out; ask for a smaller area"))})
        return 1
    except (InstaGeoError, ValueError, OSError) as error:
        traceback.print_exc()
        send({"error": _describe(error)})
        return 1
    except Exception:  # noqa: BLE001  # the boundary of the process: the traceback is in its log
        traceback.print_exc()
        send({"error": INTERNAL_ERROR})
        return 1
    return 0


def _describe(error: Exception) -> str:
    if isinstance(error, InstaGeoError):
        return str(error)
    return describe_os_error(error) if isinstance(error, OSError) else INTERNAL_ERROR


def _run_locked(run: Callable[[], str], output: AreaOutput) -> str:
    """Run while the folder of the job is locked; wait for a process that a killed server has left in it."""
    end = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            with hold_folder(output.folder.parent):
                return run()
        except LockedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def _claim_output() -> Callable[[dict[str, Any]], None]:
    """Return what writes an object to standard output; all else that is printed goes to standard error."""
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        with lock, suppress(BrokenPipeError):  # the server has died
            lines.write(json.dumps(message, default=str) + "\n")
            lines.flush()

    return send


def _progress(send: Callable[[dict[str, Any]], None]) -> Progress:
    return lambda text, done, total: send({"progress": [text, done, total]})


def _follow_server() -> None:
    """Wait for the end of standard input, then end this process: in order, or by force after some time."""
    while os.read(0, 4096):  # not by sys.stdin, whose lock this thread would hold when the process ends
        pass
    logging.getLogger(__name__).warning("the server has ended, and so does this job")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    run_program(partial(run_order, AreaMapRunner()))
