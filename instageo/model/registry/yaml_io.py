"""Read YAML as plain values, and change values in it without losing its comments, order and quotes.

Only plain values are read: no tag makes an object, and no key may be repeated in a mapping. A manifest is read by YAML
1.2, where `No` is text, and written so that readers of YAML 1.1, where it is a boolean, agree: such text gets quotes.
"""

import io
import re
from collections.abc import Mapping
from typing import Any

from instageo.errors import RegistryError
from instageo.extras import required_by
from instageo.plain_values import MAX_VALUES, UnboundedTextError, check_text, count_values

MAX_WIDTH = 1 << 16
"""Columns of a line, enough that none is wrapped."""

_HEADER = "%YAML 1.1\n---\n"
"""Written by the emitter for YAML 1.1, and removed."""

_AMBIGUOUS = re.compile(r"[-+]?0o[0-7]+|.*[\x85\u2028\u2029].*", re.DOTALL)
"""Text that YAML 1.1 and 1.2 read differently although the emitter leaves it without quotes."""

_PREAMBLE = re.compile(r"(?:[#%][^\n]*\n|[ \t]*\n)*---[ \t]*\n")
"""Comments and directives before the first document, which ruamel.yaml does not keep."""


def load_yaml(data: bytes) -> Any:
    """Return the plain values of YAML in UTF-8.

    Raises:
        RegistryError: The text is not YAML, repeats a key, or is too large for a manifest.
    """
    try:
        text = data.decode("utf-8")
        check_text(text)
    except UnicodeDecodeError as error:
        raise RegistryError(f"byte {error.start} is not UTF-8; expected YAML text") from error
    except UnboundedTextError as error:
        raise RegistryError(str(error)) from error
    yaml = _yaml("safe")
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import YAMLError

    try:
        values = yaml.load(text)
        count = count_values(values)
    except DuplicateKeyError as error:
        key = re.search('duplicate key "(.*?)" with', error.problem)
        line = error.problem_mark.line + 1
        raise RegistryError(f"'{key[1] if key else ''}' is repeated (line {line}); expected each key once") from error
    except UnboundedTextError as error:
        raise RegistryError(f"it is not YAML of plain values: {error}") from error
    except (YAMLError, AttributeError, TypeError, ValueError, RecursionError) as error:
        raise RegistryError(f"it is not YAML: {' '.join(str(error).split())[:200]}") from error
    if count > MAX_VALUES:
        raise RegistryError(f"its aliases (*name) repeat more than {MAX_VALUES} values; write them out")
    return values


def update_yaml(data: bytes, values: Mapping[str, Any]) -> bytes:
    """Return YAML with other values; all that stays the same keeps its comments, order and quotes.

    Args:
        data: YAML that `load_yaml` reads as a mapping.
        values: The values of the result. New keys come last in their mapping.
    """
    text = data.decode("utf-8")
    preamble = _PREAMBLE.match(text)
    document = _yaml("rt").load(text)
    _update(document, load_yaml(data), values)
    yaml, stream = _yaml("rt"), io.StringIO()
    yaml.version = (1, 1)
    yaml.dump(document, stream)
    return f"{preamble[0] if preamble else ''}{stream.getvalue().removeprefix(_HEADER)}".encode()


def _update(node: Any, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> None:
    """Change a mapping of a document from the values `old` to `new`."""
    for key in old.keys() - new.keys():
        del node[key]
    for key, value in new.items():
        if key in old and type(old[key]) is type(value) and old[key] == value:
            continue
        # Comments after an entry belong to what comes next, so they go behind the new values.
        previous = key if key in node else next(reversed(node), None)
        comments = "" if previous is None else _pop_comments_after(node, previous)
        if isinstance(value, Mapping) and isinstance(old.get(key), Mapping):
            _update(node[key], old[key], value)
        else:
            node[_new_node(key)] = _new_node(value)
        if isinstance(value, Mapping | list):
            node.fa.set_block_style()
        _push_comments_after(node, key, comments)


def _new_node(value: Any) -> Any:
    """Return the node of a plain value."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, Mapping):
        return CommentedMap({_new_node(key): _new_node(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return CommentedSeq(map(_new_node, value))
    return DoubleQuotedScalarString(value) if isinstance(value, str) and _AMBIGUOUS.fullmatch(value) else value


def _pop_comments_after(node: Any, key: Any) -> str:
    """Remove and return the lines of comments after an entry; a comment on its last line stays."""
    node, key, slot = _last_line(node, key)
    token = node.ca.items.get(key, [None] * 4)[slot]
    if not token:
        return ""
    last_line, _, following = token.value.partition("\n")
    token.value = f"{last_line}\n"
    return str(following)


def _push_comments_after(node: Any, key: Any, comments: str) -> None:
    from ruamel.yaml.error import CommentMark
    from ruamel.yaml.tokens import CommentToken

    if comments:
        node, key, slot = _last_line(node, key)
        tokens = node.ca.items.setdefault(key, [None] * 4)
        tokens[slot] = tokens[slot] or CommentToken("\n", CommentMark(0))
        tokens[slot].value += comments


def _last_line(node: Any, key: Any) -> tuple[Any, Any, int]:
    """Return the node, key and slot where ruamel.yaml keeps the comments after an entry: those of its last line."""
    child = node[key]
    if isinstance(child, Mapping | list) and child and not node[key].fa.flow_style():
        return _last_line(child, next(reversed(child)) if isinstance(child, Mapping) else len(child) - 1)
    return node, key, 2 if isinstance(node, Mapping) else 0


def _yaml(kind: str) -> Any:
    """Return a parser of plain values (`safe`), or one that keeps comments and quotes (`rt`)."""
    with required_by("a model registry", "registry"):
        from ruamel.yaml import YAML
        from ruamel.yaml.constructor import RoundTripConstructor, SafeConstructor
        from ruamel.yaml.representer import RoundTripRepresenter, SafeRepresenter
    yaml = YAML(typ=kind, pure=True)
    yaml.preserve_quotes, yaml.width = True, MAX_WIDTH
    if kind == "rt":  # classes of our own, since functions for types belong to classes
        yaml.Constructor = type("Constructor", (RoundTripConstructor,), {})
        yaml.Constructor.add_constructor("tag:yaml.org,2002:float", SafeConstructor.construct_yaml_float)  # all digits
        yaml.Representer = type("Representer", (RoundTripRepresenter,), {})
        yaml.Representer.add_representer(type(None), SafeRepresenter.represent_none)  # "null", not nothing
    return yaml
