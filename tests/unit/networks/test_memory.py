"""Memory that is kept for the next batch, or returned to the system."""

import subprocess
import sys

import pytest

HOLD = """
import numpy as np
import psutil
from instageo.model.networks.memory import keep_freed_memory, return_freed_memory

def megabytes():
    return psutil.Process().memory_info().rss / 1e6

keep_freed_memory()
before = megabytes()
blocks = [np.ones(5_000_000) for _ in range(5)]  # 200 MB
last = np.ones(1000)  # above them in the heap
del blocks
kept = megabytes() - before
return_freed_memory()
print(kept, megabytes() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no such options")
def test_freed_memory_is_kept_until_it_is_returned():
    output = subprocess.run([sys.executable, "-c", HOLD], capture_output=True, text=True, check=True).stdout
    kept, returned = map(float, output.split())
    assert kept > 150
    assert returned < 50
