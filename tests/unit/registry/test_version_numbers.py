"""Version numbers."""

import sys

import pytest

from instageo.errors import InstaGeoError, RegistryError
from instageo.model.registry.version_numbers import has_prefix, is_version_prefix, next_version, parse_version


def test_parts_of_a_number_count_up():
    number = parse_version("1.2.3")
    assert [str(next_version(number, part)) for part in ("major", "minor", "patch")] == ["2.0.0", "1.3.0", "1.2.4"]
    with pytest.raises(RegistryError, match="'micro' is not a part of a version number; expected one of major, minor"):
        next_version(number, "micro")


def test_numbers_are_compared_by_value():
    assert parse_version("1.10.0") > parse_version("1.9.9") > parse_version("1.9.8")


@pytest.mark.parametrize("text", ["v1", "1.2", "01.2.0", "1.2.3-rc.1", "1.2.3+build", "1.2.3\n", "1.2.3 ", 1.2, None])
def test_other_texts_are_not_numbers(text):
    with pytest.raises(RegistryError, match=r"is not a version number; expected MAJOR\.MINOR\.PATCH"):
        parse_version(text)


@pytest.mark.parametrize(
    ("prefix", "expected"), [("1", True), ("1.2", True), ("1.2.3", True), ("1.2.30", False), ("2", False)]
)
def test_prefixes_match_whole_parts(prefix, expected):
    assert is_version_prefix(prefix)
    assert has_prefix(parse_version("1.2.3"), prefix) is expected


def test_aliases_are_not_prefixes():
    assert not is_version_prefix("production")
    assert not is_version_prefix("1.2.3.4")


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "semver", None)
    with pytest.raises(InstaGeoError) as error:
        parse_version("1.2.3")
    assert str(error.value).startswith("a model registry needs the package semver")
    assert "instageo-model[registry]" in str(error.value)
