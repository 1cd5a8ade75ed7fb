"""The command `instageo serve`."""

import sys

import pytest

from instageo.errors import ConfigError, MissingExtraError
from instageo.model.commands.serve import ListenAddress, name_models, serve
from instageo.serving.settings import ServerSettings


def test_names_of_models(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.ckpt").touch()
    assert name_models([str(tmp_path / "a" / "x.ckpt")]) == {"a": str(tmp_path / "a" / "x.ckpt")}
    assert name_models(["registry:floods/tiny@production"]) == {"floods/tiny": "registry:floods/tiny@production"}
    odd = tmp_path / "a" / "epoch=3.ckpt"
    odd.touch()
    assert name_models([str(odd), f"b={odd}"]) == {"a": str(odd), "b": str(odd)}
    with pytest.raises(ConfigError, match="another model has the name 'a'; choose another name"):
        name_models([str(tmp_path / "a"), f"a={tmp_path}"])
    with pytest.raises(ConfigError, match="no such checkpoint; expected a file, a run's directory"):
        name_models([str(tmp_path / "b")])


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "instageo.serving.app", raising=False)
    with pytest.raises(MissingExtraError, match=r"instageo serve needs the package ray; .*\[model,cpu,serve\]"):
        serve(ServerSettings({"a": "registry:a"}), ListenAddress())
