"""Run mutmut on a sample of each module's mutants; benchmarks/mutants.md has the results.

mutmut skips decorated functions; here those under `torch.no_grad()`, which compute the scores, are mutated as well.
"""

import argparse
import os
import random
from collections.abc import Sequence
from pathlib import Path

import libcst as cst
from mutmut.__main__ import _run
from mutmut.configuration import config
from mutmut.mutation.diff_apply import find_mutant, get_diff_for_mutant
from mutmut.mutation.file_mutation import MutationVisitor, mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_mutant_name

# pytest starts for each mutant, and is faster without what these tests do not need.
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
os.environ["PYTEST_ADDOPTS"] = "-p pytest_timeout -p no:unraisableexception -p no:threadexception"

skip_node_and_children = MutationVisitor._skip_node_and_children


def main() -> None:
    """Run the tests on a sample of the mutants, and print those that survive."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("modules", nargs="*", type=Path, help="files; all of [tool.mutmut] in pyproject.toml if empty")
    parser.add_argument("--sample", type=int, default=40, help="mutants per module, drawn by --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mutants", nargs="*", default=[], help="names of mutants to run in place of a sample")
    args = parser.parse_args()
    MutationVisitor._skip_node_and_children = skip_less  # type: ignore[method-assign]
    modules = args.modules or [path for path in sorted(Path("instageo").rglob("*.py")) if config().should_mutate(path)]
    names = args.mutants or [name for path in modules for name in sample_mutants(path, args.sample, args.seed)]
    _run(names, max_children=1)
    print_survivors(names)


def skip_less(visitor: MutationVisitor, node: cst.CSTNode) -> bool:
    """Return whether mutmut shall leave a node alone; unlike mutmut itself, look into functions under `no_grad`."""
    if isinstance(node, cst.FunctionDef) and node.decorators:
        code = cst.Module([]).code_for_node
        if all(code(decorator.decorator) == "torch.no_grad()" for decorator in node.decorators):
            return False
    return skip_node_and_children(visitor, node)


def sample_mutants(path: Path, size: int, seed: int) -> list[str]:
    """Return the names of at most `size` mutants of a module."""
    functions = mutate_file_contents(str(path), path.read_text(encoding="utf-8")).mutant_names
    names = [get_mutant_name(path, function) for function in functions]
    return random.Random(f"{seed} {path}").sample(names, min(size, len(names)))


def print_survivors(names: Sequence[str]) -> None:
    """Print how each module fared, and the difference that each surviving mutant makes."""
    survivors: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for name in names:
        data = find_mutant(name)
        module, status = str(data.path), status_by_exit_code[data.exit_code_by_key[name]]
        counts[module] = counts.get(module, 0) + 1
        if status != "killed":
            survivors.setdefault(module, []).append(f"# {name}: {status}\n{get_diff_for_mutant(name, path=data.path)}")
    for module, count in counts.items():
        print(f"{module}: killed {count - len(survivors.get(module, []))} of {count}")
    print("\n".join(diff for diffs in survivors.values() for diff in diffs))


if __name__ == "__main__":
    main()
