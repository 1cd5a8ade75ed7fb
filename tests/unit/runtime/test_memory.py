"""Memory that runs out becomes one sentence; large requests are estimated first."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from instageo.errors import OutOfMemoryError
from instageo.runtime import memory
from instageo.runtime.memory import available_memory, explain_memory_errors, require_memory

ADVICE = "buy memory"


def numpy_error():
    np.zeros(1 << 60, np.uint8)


def torch_error():
    torch.zeros(1 << 58)


def loader_error():
    raise RuntimeError(
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
        "shared memory. Please try to raise your shared memory limit."
    )


def cuda_error():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ...")


@pytest.mark.parametrize("fails", [numpy_error, torch_error, cuda_error])
def test_errors_of_every_library_become_one_sentence(fails):
    with pytest.raises(OutOfMemoryError) as caught, explain_memory_errors("b.tif", ADVICE):
        fails()
    assert str(caught.value).startswith("b.tif: not enough memory (")
    assert str(caught.value).endswith("); buy memory")
    assert "\n" not in str(caught.value)


def test_of_the_message_of_a_gpu_only_what_it_was_asked_for_is_told():
    with pytest.raises(OutOfMemoryError) as caught, explain_memory_errors("small.ckpt", ADVICE):
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 56.00 MiB. GPU 0 has a total capacity of 139.80 GiB of which "
            "138.65 GiB is free. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=…"
        )
    expected = "small.ckpt: not enough memory (CUDA out of memory. Tried to allocate 56.00 MiB); buy memory"
    assert str(caught.value) == expected


def test_full_shared_memory_names_the_setting():
    expected = r"\(/dev/shm\) is full; set dataloader\.num_workers=0"
    with pytest.raises(OutOfMemoryError, match=expected), explain_memory_errors("mode=train", ADVICE):
        loader_error()


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shapes"), explain_memory_errors("b.tif", ADVICE):
        raise RuntimeError("shapes cannot be multiplied")
    with pytest.raises(FileNotFoundError), explain_memory_errors("b.tif", ADVICE):
        Path("/absent/file").read_text(encoding="utf-8")


def test_what_does_not_fit_is_refused_before_it_is_requested(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2_000_000_000)
    require_memory(1_999_999_999, "b.tif", ADVICE)
    expected = r"^b\.tif: reading it needs about 3\.5 GB of memory, but 2\.0 GB are free; buy memory$"
    with pytest.raises(OutOfMemoryError, match=expected):
        require_memory(3_500_000_000, "b.tif: reading it", ADVICE)
    monkeypatch.setattr(memory, "available_memory", lambda: None)  # the system does not say
    require_memory(10**15, "b.tif", ADVICE)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not say how much memory is free")
def test_a_limit_of_the_process_counts():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9));"
        "from instageo.runtime.memory import available_memory; print(available_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 5 * 10**8 < int(done.stdout) < 10**9
    free = available_memory()
    assert free is not None
    assert free > 10**8
