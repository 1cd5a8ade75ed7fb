"""Return the memory of large images to the system once their requests have ended."""

import threading
import time

from instageo.model.networks.memory import return_freed_memory


class DelayedMemoryReturn:
    """Returns freed memory to the system a moment after work that needed much of it.

    A request still holds arrays when its prediction is complete: for the response, or as locals of an exception that
    is on its way up. What it frees after memory was returned would stay in the process until the next large image.

    Args:
        delay_s: Seconds between the end of the work and the return, and between two returns.
    """

    def __init__(self, delay_s: float = 1.0) -> None:
        self.delay_s = delay_s
        self._requested = self._running = False
        self._lock = threading.Lock()

    def request(self) -> None:
        """Return freed memory `delay_s` from now, or up to twice as late if a return is due before."""
        with self._lock:
            self._requested = True
            if self._running:
                return
            self._running = True
        threading.Thread(target=self._run, name="memory return", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._requested:
                    self._running = False
                    return
                self._requested = False
            time.sleep(self.delay_s)
            return_freed_memory()
