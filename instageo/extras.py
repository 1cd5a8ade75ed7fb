"""Name the extra to install when an optional package is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from instageo.errors import MissingExtraError


@contextmanager
def required_by(feature: str, extra: str) -> Iterator[None]:
    """Turn a failed import in this block into a `MissingExtraError` that names the extra.

    Errors in imports from this package are raised unchanged.

    Args:
        feature: What needs the package, as the message begins: `logger=mlflow`, `s3://`.
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
        if error.name and error.name.partition(".")[0] == "instageo":
            raise
        raise MissingExtraError(missing_extra(feature, extra, error)) from error


def missing_extra(feature: str, extra: str, error: ImportError) -> str:
    """Return the sentence that names the missing package and how to install it."""
    package = f"the package {error.name}" if error.name else f"a package that is not installed ({error})"
    return f"{feature} needs {package}; install the extra: pip install 'instageo-model[{extra}]'"
