"""A missing package is reported with the extra that installs it."""

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
