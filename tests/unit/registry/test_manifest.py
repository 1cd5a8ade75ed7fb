"""Models, sizes and versions in a manifest, found by name."""

import pytest

from instageo.errors import RegistryError
from tests.unit.registry.manifests import manifest, parse, versions


def test_versions_are_found_by_number_prefix_and_alias():
    size = parse(versions("1.2.0", "1.10.0", "0.9.9", "2.0.1", production="1.2.0")).find_model("m").find_size("tiny")
    names = ("latest", "1", "1.2", "1.10.0", "production", "0")
    expected = ["2.0.1", "1.10.0", "1.2.0", "1.10.0", "1.2.0", "0.9.9"]
    assert [str(size.find_version(name).number) for name in names] == expected
    assert size.find_version("1").folder == "gs://bucket/a/m/tiny/x"
    assert size.find_version("1").metadata == {"licence": "MIT"}
    with pytest.raises(
        RegistryError, match=r"no version '1.1'; available: 0.9.9, 1.2.0, 1.10.0, 2.0.1, latest, production"
    ):
        size.find_version("1.1")
    with pytest.raises(RegistryError, match="did you mean production"):
        size.find_version("prodution")


def test_latest_may_point_to_an_older_version():
    size = parse(versions("1.0.0", "2.0.0", latest="1.0.0")).find_model("m").find_size("tiny")
    assert str(size.find_version("latest").number) == "1.0.0"


def test_unknown_names_list_the_available_ones():
    one = parse(manifest())
    with pytest.raises(RegistryError, match="has no model 'n'; available: m"):
        one.find_model("n")
    with pytest.raises(RegistryError, match="m has no size 'tinny'; available: tiny; did you mean tiny"):
        one.find_model("m").find_size("tinny")
    two = parse({"models": {"m": {"sizes": {"a": {"gcs_folder": "x"}, "b": {"gcs_folder": "y"}}}}})
    with pytest.raises(RegistryError, match="several sizes; choose one of m/a, m/b"):
        two.find_model("m").find_size(None)
    with pytest.raises(RegistryError, match="has no model 'm'; available: none yet"):
        parse(b"models: {}").find_model("m")
