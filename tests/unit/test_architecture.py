"""Imports have no circles; the rules in pyproject.toml and the page on architecture name every package."""

import ast
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import instageo

PACKAGE = Path(instageo.__file__).parent
PAGE = PACKAGE.parent / "docs" / "architecture.md"
PROJECT = PACKAGE.parent / "pyproject.toml"


def module_of(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports_by_module():
    """Modules of this project that each module imports, anywhere in its code."""
    paths = {module_of(path): path for path in PACKAGE.rglob("*.py")}
    graph = {}
    for name, path in paths.items():
        graph[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                targets = [f"{node.module}.{alias.name}" for alias in node.names]
                graph[name] |= {target if target in paths else node.module for target in targets}
        graph[name] &= paths.keys() - {name}
    return graph


def test_imports_have_no_circles():
    graph = imports_by_module()
    assert len(graph) > 200
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    assert order.index("instageo.errors") < order.index("instageo.model.run")


@pytest.mark.skipif(not PROJECT.is_file(), reason="the project's files are not installed")
def test_the_rules_name_every_package_of_the_model():
    tools = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["tool"]
    [layers] = [rule["layers"] for rule in tools["importlinter"]["contracts"] if rule["type"] == "layers"]
    named = {name for layer in layers for name in layer.split(" : ")}
    assert named - {"run"} == {path.parent.name for path in (PACKAGE / "model").glob("*/__init__.py")}
    mutated = tools["mutmut"]["only_mutate"]
    assert [pattern for pattern in mutated if not list(PACKAGE.parent.glob(pattern))] == []


@pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is not installed")
def test_the_page_names_every_package():
    packages = {path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("__init__.py")} - {"."}
    text = PAGE.read_text(encoding="utf-8")
    assert [package for package in sorted(packages - {"model"}) if f"`{package}/`" not in text] == []
