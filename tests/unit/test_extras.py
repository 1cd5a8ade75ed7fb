"""A missing package is reported with the extra that installs it."""

import subprocess
import sys

import pytest

from instageo.errors import MissingExtraError
from instageo.extras import missing_extra, required_by


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    words = r"^model\.lora_rank needs the package peft; install the extra: pip install 'instageo-model\[lora\]'$"
    with pytest.raises(MissingExtraError, match=words), required_by("model.lora_rank", "lora"):
        import peft  # noqa: F401


def test_an_import_error_without_a_name_shows_its_text():
    words = "s3:// needs a package that is not installed (Install s3fs); install the extra: "
    assert missing_extra("s3://", "s3", ImportError("Install s3fs")).startswith(words)


def test_errors_of_our_own_modules_are_raised_unchanged():
    with pytest.raises(ImportError, match="cannot import name 'no_such_name'"), required_by("a feature", "model"):
        from instageo.files import no_such_name  # noqa: F401


def test_a_block_without_an_import_error_is_left_alone():
    with pytest.raises(ValueError, match="other"), required_by("a feature", "model"):
        raise ValueError("other")


WITHOUT_EXTRAS = """
import runpy, sys

class Missing:
    PACKAGES = {
        "hydra", "omegaconf", "torch", "matplotlib", "pytorch_lightning", "ray", "fastapi", "ruamel", "obstore",
        "pystac_client", "scipy", "shapely",
    }

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.PACKAGES:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Missing())
module, *sys.argv[1:] = sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
"""Runs a module as a program in which only the packages of a plain installation can be imported."""


@pytest.mark.parametrize(
    ("command", "feature", "extra"),
    [
        ("instageo.cli run mode=train", "instageo run", "model,cpu"),
        ("instageo.model.run mode=train", "instageo run", "model,cpu"),
        ("instageo.cli check table.csv", "instageo check", "model,cpu"),
        ("instageo.cli demo", "instageo demo", "model,cpu,data"),
        ("instageo.cli chips points t.csv --output o", "instageo chips", "data"),
        ("instageo.cli models", "instageo models", "model,cpu"),
        ("instageo.cli distill-report run", "instageo distill-report", "model,cpu"),
        ("instageo.cli serve registry:m/s", "instageo serve", "model,cpu,serve"),
        ("instageo.cli registry push run m/s --licence MIT", "instageo registry", "model,cpu,registry"),
    ],
)
def test_every_command_names_its_extra_in_one_line(command, feature, extra):
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS, *command.split()], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {feature} needs the package ")
    assert done.stderr.endswith(f"; install the extra: pip install 'instageo-model[{extra}]'\n")
    assert done.stderr.count("\n") == 1


def test_the_python_api_names_the_extra():
    code = "import sys; sys.modules['torch'] = None; import instageo; instageo.load_model"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    words = "instageo.load_model needs the package torch; install the extra: pip install 'instageo-model[model,cpu]'"
    assert done.stderr.splitlines()[-1].endswith(words)
