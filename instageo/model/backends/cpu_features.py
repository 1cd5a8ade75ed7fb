"""Instruction sets of this CPU that decide which number formats are fast."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

CAP_VARIABLE = "ONEDNN_MAX_CPU_ISA"
"""Environment variable that limits the instruction sets of oneDNN, with which PyTorch and OpenVINO compute."""

CPU_FLAGS = {
    "avx2": "avx2",
    "avx_vnni": "avx_vnni",
    "avx512_core": "avx512bw",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
    "arm_bf16": "bf16",
}
"""Flag of /proc/cpuinfo for each instruction set, from the smallest to the largest."""

NATIVE_BF16 = frozenset({"amx_bf16", "avx512_bf16", "arm_bf16"})
"""Instruction sets that multiply bfloat16; elsewhere it is emulated, which takes 3 to 13 times as long as float32."""

_AVX2 = frozenset({"avx2"})
_AVX512 = _AVX2 | {"avx512_core"}
_VNNI = _AVX512 | {"avx512_vnni"}
_BF16 = _VNNI | {"avx_vnni", "avx512_bf16"}

CAPS: dict[str, frozenset[str]] = {
    "SSE41": frozenset(),
    "AVX": frozenset(),
    "AVX2": _AVX2,
    "AVX2_VNNI": _AVX2 | {"avx_vnni"},
    "AVX2_VNNI_2": _AVX2 | {"avx_vnni"},
    "AVX512_CORE": _AVX512,
    "AVX512_CORE_VNNI": _VNNI,
    "AVX512_CORE_BF16": _BF16,
    "AVX512_CORE_FP16": _BF16,
    "AVX10_1_512": _BF16,
}
"""Instruction sets that remain under each value of `CAP_VARIABLE`; under others all do."""


def cpu_features(cpuinfo: Path = Path("/proc/cpuinfo"), environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return the instruction sets in `CPU_FLAGS` that networks may use; none where the system does not say.

    Args:
        cpuinfo: File in which Linux describes the CPU.
        environment: Environment variables; `ONEDNN_MAX_CPU_ISA` excludes larger sets.
    """
    flags = set(_field(cpuinfo, "flags").split()) | set(_field(cpuinfo, "Features").split())
    present = frozenset(name for name, flag in CPU_FLAGS.items() if flag in flags)
    cap = environment.get(CAP_VARIABLE) or environment.get("DNNL_MAX_CPU_ISA") or "ALL"
    return present & CAPS.get(cap.strip().upper(), present)


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the CPU; empty where the system does not say."""
    return _field(cpuinfo, "model name")


def describe_features(features: frozenset[str]) -> str:
    """Return the instruction sets that decide, largest last, such as `avx2, avx512_core`."""
    return ", ".join(name for name in CPU_FLAGS if name in features) or "no vector instructions known"


def _field(cpuinfo: Path, name: str) -> str:
    with suppress(OSError, UnicodeDecodeError):
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return ""
