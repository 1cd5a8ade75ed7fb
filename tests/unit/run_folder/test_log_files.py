"""Log files that cannot be written."""

import errno
import logging
import threading

import pytest

from instageo.model.run_folder.log_files import log_to_files, quiet_threads, report_failures
from tests.disks import file_size_limit


@pytest.fixture
def log_file(tmp_path, monkeypatch):
    """A log file. Of other handlers only those of pytest stay: those of other tests may have closed streams."""
    root, handler = logging.getLogger(), logging.FileHandler(tmp_path / "run.log")
    own = [each for each in root.handlers if type(each).__module__.startswith("_pytest")]
    monkeypatch.setattr(root, "handlers", [*own, handler])
    yield tmp_path / "run.log"
    handler.close()


def test_a_log_file_on_a_full_disk_is_told_once(log_file, capfd, caplog):  # pitfall 81
    report_failures()
    log = logging.getLogger("instageo")
    log.warning("before")
    with file_size_limit(log_file.stat().st_size):
        for number in range(3):
            log.warning("message %d", number)
    reports = {id(record): record.getMessage() for record in caplog.records if str(log_file) in record.getMessage()}
    assert len(reports) == 1
    assert next(iter(reports.values())).startswith(f"{log_file}: cannot be written: File too large (disk /")
    assert {"message 0", "message 1", "message 2"} <= set(caplog.messages)
    assert "Traceback" not in "".join(capfd.readouterr())
    assert log_file.read_text() == "before\n"


def test_errors_go_to_the_log_files_only(log_file, caplog):
    log_to_files("a sentence")
    assert log_file.read_text() == "a sentence\n"
    assert caplog.messages == []


@pytest.mark.parametrize(("code", "shown"), [(errno.ENOSPC, 0), (errno.ECONNREFUSED, 1)])
def test_threads_on_a_full_disk_show_no_traceback(monkeypatch, code, shown):
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)

    def fail():
        raise OSError(code, "failed")

    with quiet_threads():
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert len(told) == shown
    assert threading.excepthook == told.append
