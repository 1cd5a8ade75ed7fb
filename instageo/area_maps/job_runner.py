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
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from instageo.area_maps.job_messages import order_from_json
from instageo.area_maps.request import AreaOutput, AreaRequest
from instageo.errors import InstaGeoError, OutOfMemoryError
from instageo.files import describe_os_error
from instageo.plain_values import load_json
from instageo.runtime.termination import INTERRUPTED, interrupt_on_sigterm
from instageo.stores.lock import LockedError, hold_folder

Progress = Callable[[str, int, int], None]

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

    def run(self, model: str, request: AreaRequest, output: AreaOutput, progress: Progress) -> str:
        """Write maps, and return what is missing, or an empty text.

        A second call with the same arguments continues where the first one ended.

        Args:
            model: Checkpoint, folder of a run, or `registry:…`.
            request: The area, the days and the images.
            output: Where and how maps are written.
            progress: Called with a sentence, the number of steps that are done, and of all steps.
        """

    def plan(self, model: str, request: AreaRequest, output: AreaOutput) -> dict[str, Any]:
        """Return how many tiles, images, MB and minutes maps would take; write nothing."""


class AreaMapRunner:
    """Maps areas with the package's own code."""

    def run(self, model: str, request: AreaRequest, output: AreaOutput, progress: Progress) -> str:
        """Write maps; see `AreaRunner.run`."""
        from instageo.area_maps.map_area import map_area_request

        tiles = map_area_request(model, request, output, progress=progress).tiles
        failed = [tile.tile for tile in tiles if tile.error is not None]
        if not failed:
            return ""
        return f"{len(failed)} of {len(tiles)} tiles could not be mapped ({', '.join(failed)}); the report says why"

    def plan(self, model: str, request: AreaRequest, output: AreaOutput) -> dict[str, Any]:
        """Return the plan of maps; see `AreaRunner.plan`."""
        from instageo.area_maps.map_area import plan_area_request

        return plan_area_request(model, request, output).to_json()


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
                send({"plan": runner.plan(order.model, order.request, order.output)})
                return 0
            progress = _progress(send)
            missing = _run_locked(lambda: runner.run(order.model, order.request, order.output, progress), order.output)
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
    sys.exit(run_order(AreaMapRunner()))
