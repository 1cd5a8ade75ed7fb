"""What a run on Ray printed, without what Ray tells late of the workers that it ended."""

OF_ENDED_WORKERS = "A worker died or was killed", "There are infinite retries remaining"


def printed(capfd):
    """Return what a run printed on stdout and stderr.

    Ray tells of the workers that a run ended as late as after the run, because the tests hold its cluster; a run
    that starts its own has disconnected by then.
    """
    out, err = capfd.readouterr()
    return "".join(line for line in out.splitlines(True) if not any(part in line for part in OF_ENDED_WORKERS)), err
