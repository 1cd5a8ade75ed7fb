"""Other processes of this package run its own code, not what lies in the working folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import instageo
from instageo.runtime.own_modules import module_command, module_environment
from instageo.version import __version__

PACKAGE = Path(instageo.__file__).parent


@pytest.mark.parametrize("name", ["typer", "json", "instageo"])
def test_code_of_the_working_folder_is_not_run(tmp_path, name):
    (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w'); raise SystemExit")
    command = module_command("instageo.cli", "version")
    done = subprocess.run(command, env=module_environment(), cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.split()[-1:] == [__version__], done
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("in_source", [True, False])
def test_the_package_is_found_where_this_process_has_found_it(tmp_path, in_source):
    environment = dict(os.environ) if not in_source else {**os.environ, "PYTHONPATH": str(tmp_path)}
    code = "from instageo.runtime.own_modules import module_environment as e; print(e().get('PYTHONPATH'))"
    folder = PACKAGE.parent if in_source else tmp_path
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
    expected = f"{PACKAGE.parent}{os.pathsep}{tmp_path}" if in_source else os.environ.get("PYTHONPATH")
    assert done.stdout.strip() == str(expected), done.stderr


def test_no_other_code_runs_python():
    users = [path.name for path in PACKAGE.rglob("*.py") if "sys.executable" in path.read_text(encoding="utf-8")]
    assert users == ["own_modules.py"]
