"""Chips a second of networks on a GPU, and what takes their time, for `gpu.py`."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from gpu_data import say


def time_gpu(call: Callable[[], object], seconds: float = 0.6) -> float:
    """Return the median seconds of a call, by events of the GPU."""
    import torch

    if not torch.cuda.is_available():
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        first, last = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        first.record()
        call()
        last.record()
        torch.cuda.synchronize()
        times.append(first.elapsed_time(last) / 1e3)
    return sorted(times)[len(times) // 2]


def time_networks(folder: Path, names: list[str], batches: list[int], *, compile_too: bool) -> None:
    """Print chips/s of each network, number format and batch size, and the agreement with float32."""
    import torch

    if torch.cuda.is_available():
        copy_speeds()
    for name in names:
        time_network(folder, name, batches, compile_too=compile_too)


def time_network(folder: Path, name: str, batches: list[int], *, compile_too: bool) -> None:
    """Print the lines of one network."""
    import torch

    import instageo
    from instageo.model.backends.torch_backend import TorchBackend
    from instageo.model.inference.backend_choice import agreement_of, to_chips

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = instageo.load_model(folder / name, device=device)
    say(f"\n{name}: batch size chosen {model.tiling.batch_size}")
    tiles = [model.read(str(folder / f"chips/chip_{number}.tif"), (), None)[0] for number in range(16)]
    few, net = to_chips(model, tiles), model.net

    def plain(chips: Any, net: Any = net) -> Any:
        with torch.inference_mode():
            return net(*chips)

    def autocast(dtype: torch.dtype, chips: Any, net: Any = net) -> Any:
        with torch.inference_mode(), torch.autocast(device, dtype):
            return net(*chips)

    def tf32(chips: Any) -> Any:
        torch.backends.cuda.matmul.allow_tf32 = True
        try:
            return plain(chips)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = False

    reference, agreement = plain(few).float(), agreement_of(model)

    def measure(kind: str, call: Callable[[Any], Any], sizes: list[int] = batches) -> None:
        try:
            agreed, speeds = agreement(reference, call(few).float()), []
            for size in sizes:
                seconds = time_gpu(partial(call, repeat(few, size)), 0.2)
                speeds.append(f"{size}: {size / seconds:.0f}")
            say(f"{name} | {kind} | {' | '.join(speeds)} | {agreed:.4%}")
        except Exception as error:  # noqa: BLE001
            say(f"{name} | {kind} | {type(error).__name__}: {str(error)[:200]}")

    for kind, call in (("f32", plain), ("tf32", tf32)):
        measure(kind, call)
    for kind, dtype in (("f16", torch.float16), ("bf16", torch.bfloat16)):
        measure(kind, partial(autocast, dtype))
    product = TorchBackend(net, "bf16", torch.device(device))  # puts channels last
    measure("bf16 of the program", lambda chips: product(*chips))
    measure("f32, channels last", plain, batches[1:2])
    for further in (time_graphs, profile_network):
        try:
            further(name, product, few, batches)
        except Exception as error:  # noqa: BLE001
            say(f"{name} | {further.__name__} | {type(error).__name__}: {str(error)[:300]}")
    if compile_too:
        begun, compiled = time.perf_counter(), partial(autocast, torch.bfloat16, net=torch.compile(net))
        compiled(repeat(few, batches[-1]))
        say(f"{name} | compiled in {time.perf_counter() - begun:.1f} s")
        measure("bf16 compiled", compiled, batches[-1:])
    half = net.to(torch.bfloat16)
    measure("bf16 weights", lambda chips: plain((chips[0].bfloat16(), *chips[1:]), half))


def repeat(chips: Any, count: int) -> Any:
    """Return a batch of that many chips."""
    import torch

    from instageo.model.backends.backend import ChipBatch

    return ChipBatch(*(torch.cat([part] * -(-count // len(part)))[:count].contiguous() for part in chips))


def time_graphs(name: str, call: Callable[..., Any], few: Any, batches: list[int]) -> None:
    """Time replays of CUDA graphs."""
    import torch

    for size in batches:
        chips, side = repeat(few, size), torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                call(*chips)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call(*chips)
        say(f"{name} | bf16 CUDA graph | {size}: {size / time_gpu(graph.replay, 0.2):.0f}")


def profile_network(name: str, call: Callable[..., Any], few: Any, batches: list[int]) -> None:
    """Print which kernels take the time."""
    from torch.profiler import ProfilerActivity, profile

    chips = repeat(few, batches[-1])
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as recorded:
        for _ in range(3):
            call(*chips)
    table = recorded.key_averages().table(sort_by="self_cuda_time_total", row_limit=14, max_name_column_width=60)
    say(f"{name}: kernels of three batches of {batches[-1]}")
    for line in table.splitlines():
        say(line[:62], line[-75:])


def copy_speeds() -> None:
    """Print GB/s between main memory and the GPU."""
    import torch

    size = 128 << 20
    pageable, device = torch.ones(size, dtype=torch.uint8), torch.empty(size, dtype=torch.uint8, device="cuda")
    begun = time.perf_counter()
    pinned = torch.ones(size, dtype=torch.uint8, pin_memory=True)
    pinning = time.perf_counter() - begun
    shared = torch.ones(size, dtype=torch.uint8).share_memory_()
    cases = {
        "from pageable": lambda: device.copy_(pageable),
        "from shared": lambda: device.copy_(shared),
        "from pinned": lambda: device.copy_(pinned, non_blocking=True),
        "to pageable": lambda: pageable.copy_(device),
        "to new pageable": lambda: device.cpu(),
        "to pinned": lambda: pinned.copy_(device, non_blocking=True),
        "pageable to pinned": lambda: pinned.copy_(pageable),
    }
    speeds = ", ".join(f"{name} {size / time_gpu(call, 0.15) / 1e9:.1f}" for name, call in cases.items())
    say(f"copies, GB/s: {speeds}; pinning 128 MB took {pinning * 1e3:.0f} ms")
