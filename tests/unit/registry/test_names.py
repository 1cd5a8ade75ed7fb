"""Names of models in a registry."""

import pytest

from instageo.errors import RegistryError
from instageo.model.registry.names import ModelName, is_registry_name, parse_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("registry:sen1floods/tiny@1.2", ModelName("sen1floods", "tiny", "1.2")),
        ("sen1floods/tiny", ModelName("sen1floods", "tiny", "latest")),
        ("aod@production", ModelName("aod", None, "production")),
    ],
)
def test_names_have_a_model_a_size_and_a_version(text, expected):
    assert parse_name(text) == expected


@pytest.mark.parametrize("text", ["", "a/b/c", "a/b@", "a b", "registry:", "../x"])
def test_other_texts_are_not_names(text):
    with pytest.raises(RegistryError, match="is not a model's name; expected model/size@version"):
        parse_name(text)


def test_only_the_prefix_distinguishes_a_name_from_a_path():
    assert is_registry_name("registry:a")
    assert not is_registry_name("a/tiny@1")


@pytest.mark.parametrize(
    ("name", "text"), [(ModelName("a", "tiny", "1.2"), "a/tiny@1.2"), (ModelName("a", None), "a@latest")]
)
def test_names_are_written_as_they_are_parsed(name, text):
    assert str(name) == text
    assert parse_name(text) == name
