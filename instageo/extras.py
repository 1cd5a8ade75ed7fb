"""Name the extra to install when an optional package is missing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

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


def lazy_attributes(
    package: str, modules: Mapping[str, str], extra: str
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose public names are imported on first use.

    Args:
        package: Name of the package.
        modules: Module of each public name, relative to the package.
        extra: Extras that the names need.
    """

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with required_by(f"{package}.{name}", extra):
            return getattr(import_module(f"{package}.{modules[name]}"), name)

    def names() -> list[str]:
        return sorted({*vars(import_module(package)), *modules})

    return get, names
