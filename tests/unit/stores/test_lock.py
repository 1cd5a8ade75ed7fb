"""Locks between processes."""

import logging
import threading

from instageo.stores.lock import file_lock


def test_a_second_holder_waits_and_says_so(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    order, waiting = [], threading.Event()

    def wait_for_lock():
        with file_lock(tmp_path):
            order.append("second")

    class Handler(logging.Handler):
        def emit(self, _):
            waiting.set()

    handler = Handler()
    logging.getLogger("instageo.stores.lock").addHandler(handler)
    try:
        with file_lock(tmp_path):
            thread = threading.Thread(target=wait_for_lock)
            thread.start()
            assert waiting.wait(60)
            order.append("first")
        thread.join()
    finally:
        logging.getLogger("instageo.stores.lock").removeHandler(handler)
    assert order == ["first", "second"]
    assert f"another process is using {tmp_path}; waiting" in caplog.text
