"""Overrides as typed: paths mean what they say, sweeps stay sweeps, and what cannot be read is explained."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from instageo.errors import ConfigError
from instageo.model.overrides import prepare_overrides, split_flags

ODD_NAMES = (
    "epoch=3-step=99.ckpt", "my model.ckpt", "modèle ü 水.ckpt", "a,b.ckpt", "run (1).ckpt", "x[2].ckpt", "100%.ckpt",
    "it's.ckpt", "q$HOME.ckpt", "k#1.ckpt", "a:b.ckpt", "c@d!.ckpt", '7" tiles.tif', "back\\", " blank", "007", "1e3",
    "{a}", "a;b&c|d", "~/run", "--odd",
)  # fmt: skip


def value_of(override):
    return OverridesParser.create().parse_override(override).value()


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("key", ["checkpoint_path", "root_dir", "train.resume", "hydra.run.dir", "+model.weights"])
def test_a_path_is_taken_as_typed(key, name):
    [quoted] = prepare_overrides([f"{key}={name}"], sweeping=False)
    assert value_of(quoted) == name
    assert prepare_overrides([quoted], sweeping=False) == [quoted]  # as a second process of a run receives it


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(lambda text: text[0] not in "'\""))
def test_any_text_is_taken_as_typed(text):
    if text.lower() not in ("null", "true", "false"):
        [quoted] = prepare_overrides([f"tracking.name={text}"], sweeping=False)
        assert value_of(quoted) == text


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("checkpoint_path='a=1.ckpt'", "a=1.ckpt"),
        ('checkpoint_path="a=1.ckpt"', "a=1.ckpt"),
        ("checkpoint_path=null", None),
        ("checkpoint_path=", ""),
        ("train.resume=true", True),
        ("root_dir=${oc.env:DATA}/x", "${oc.env:DATA}/x"),
        ("model.class_names=[a,b]", ["a", "b"]),
        ("train.learning_rate=1e-3", 0.001),
    ],
)
def test_quotes_words_and_other_settings_keep_their_meaning(override, value):
    [prepared] = prepare_overrides([override], sweeping=False)
    assert value_of(prepared) == value


def test_a_sweep_tries_several_paths_unless_one_has_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = ["checkpoint_path=a,b.ckpt", "checkpoint_path=choice(a,b)", "checkpoint_path=x=1.ckpt"]
    assert prepare_overrides(overrides, sweeping=True) == [*overrides[:2], "checkpoint_path='x=1.ckpt'"]
    (tmp_path / "a,b.ckpt").touch()
    assert prepare_overrides(overrides[:1], sweeping=True) == ["checkpoint_path='a,b.ckpt'"]


def test_what_cannot_be_read_is_named_with_the_way_to_quote_it():
    with pytest.raises(ConfigError) as raised:
        prepare_overrides(["model.class_names=[水,Land]"], sweeping=False)
    assert str(raised.value) == (
        "model.class_names=[水,Land] cannot be read; put quotes around text with special characters, within others for "
        'the shell: \'model.class_names="text"\', \'model.class_names=["one","two"]\''
    )


def test_flags_and_overrides_are_separated():
    flags, overrides = split_flags(["-m", "mode=train", "--config-name", "aod", "seed=1,2"])
    assert (flags, overrides) == (["-m", "--config-name", "aod"], ["mode=train", "seed=1,2"])
