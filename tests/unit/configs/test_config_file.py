"""The shipped config.yaml follows from the dataclasses; adding a setting touches its dataclass alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import instageo
from instageo.model.configs.config_file import LINE, render_config
from instageo.model.settings import Settings
from instageo.model.settings.compose import CONFIGS, default_settings


def test_the_shipped_file_is_what_the_dataclasses_say():
    assert (CONFIGS / "config.yaml").read_text(encoding="utf-8") == render_config(), (
        "run python -m instageo.model.configs.config_file"
    )
    assert default_settings() == Settings()


def test_no_line_is_too_long():
    assert max(map(len, render_config().splitlines())) <= LINE


NEW = '    label_noise: float = setting(0.25, "share of labels to replace", Role.default_from_checkpoint)\n'
"""A setting as somebody would add it to the group `train`."""

SCRIPT = """
import json
from dataclasses import replace
from instageo.model.networks.checkpoint import checkpoint_metadata
from instageo.model.settings import Settings, TrainSettings
from instageo.model.settings.compose import first_difference
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import keys_with
metadata = checkpoint_metadata(Settings(), Settings(), None, {})["instageo"]
other = Settings(train=TrainSettings(label_noise=0.5))
print(json.dumps([metadata["settings"]["train.label_noise"],
                  first_difference(other, metadata["run"], keys_with(Role.free_on_resume))]))
"""
"""What a checkpoint stores of the setting, and whether a resumed run may change it."""


@pytest.fixture
def changed(tmp_path):
    """Function that runs Python on a copy of the package with the new setting."""
    shutil.copytree(Path(instageo.__file__).parent, tmp_path / "instageo", ignore=shutil.ignore_patterns("scene"))
    path = tmp_path / "instageo" / "model" / "settings" / "train.py"
    before, field, after = path.read_text().partition("    weight_decay: ")
    path.write_text(before + NEW + field + after)

    def run(*arguments):
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        command = [sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path).stdout

    return run


@pytest.mark.slow
def test_a_new_setting_needs_its_dataclass_alone(changed, tmp_path):
    assert "  label_noise: 0.25\n" in changed("-m", "instageo.model.run", "--cfg", "job")
    changed("-m", "instageo.model.configs.config_file")
    text = (tmp_path / "instageo" / "model" / "configs" / "config.yaml").read_text()
    assert "  label_noise: 0.25               # share of labels to replace\n" in text
    assert json.loads(changed("-c", SCRIPT)) == [0.25, ["train.label_noise", 0.25, 0.5]]
