"""Name the extra to install when an optional package is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from instageo.errors import MissingExtraError


@contextmanager
def required_by(feature: str, extra: str) -> Iterator[None]:
    """Turn a failed import in this block into a `MissingExtraError` that names the extra.

    Args:
        feature: What needs the package, as a message begins: `logger=mlflow`, `s3://`.
        extra: Extras of this project, comma-separated: `mlflow`, `model,cpu`.

    Raises:
        MissingExtraError: A package is not installed.

    Example:
        >>> with required_by("model.lora_rank", "lora"):
        ...     import peft
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(missing_extra(feature, extra, error)) from error


def missing_extra(feature: str, extra: str, error: ImportError) -> str:
    """Return the sentence that names the missing package and how to install it."""
    return f"{feature} needs the package {error.name}; install the extra: pip install 'instageo-model[{extra}]'"
