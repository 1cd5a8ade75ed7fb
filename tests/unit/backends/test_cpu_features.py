"""Instruction sets, as Linux names them, and capped as oneDNN is."""

import pytest

from instageo.model.backends.cpu_features import cpu_features, cpu_name, describe_features

SAPPHIRE_RAPIDS = "flags\t\t: fpu avx2 avx512f avx512bw avx512_vnni avx512_bf16 avx_vnni amx_bf16 amx_tile amx_int8\n"
ALL = {"avx2", "avx_vnni", "avx512_core", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"}


@pytest.fixture
def cpuinfo(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: Some CPU\n{SAPPHIRE_RAPIDS}\n")
    return path


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ALL),
        ({"ONEDNN_MAX_CPU_ISA": "ALL"}, ALL),
        ({"ONEDNN_MAX_CPU_ISA": "avx512_core_bf16"}, {"avx2", "avx_vnni", "avx512_core", "avx512_vnni", "avx512_bf16"}),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, {"avx2", "avx512_core"}),
        ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, {"avx2"}),
        ({"ONEDNN_MAX_CPU_ISA": "SSE41"}, set()),
    ],
)  # fmt: skip
def test_the_environment_caps_what_the_cpu_has(cpuinfo, environment, expected):
    assert cpu_features(cpuinfo, environment) == expected
    assert cpu_name(cpuinfo) == "Some CPU"


def test_an_arm_cpu(tmp_path):
    (tmp_path / "cpuinfo").write_text("Features\t: fp asimd bf16 i8mm\n")
    assert cpu_features(tmp_path / "cpuinfo", {}) == {"arm_bf16"}


def test_a_system_that_does_not_say(tmp_path):
    assert cpu_features(tmp_path / "missing", {}) == frozenset()
    assert cpu_name(tmp_path / "missing") == ""
    assert describe_features(frozenset()) == "no vector instructions known"
