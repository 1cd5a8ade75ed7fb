"""HTML in which every text is escaped: elements are made by a function, and only they are not escaped again."""

from collections.abc import Iterable
from html import escape

VOID = ("br", "img", "input", "meta", "link")
"""Elements without content."""


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


Child = str | Iterable["Html"] | None
"""Content of an element: a text, which is escaped unless it is HTML, elements, or nothing."""


def element(tag: str, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """Return an element.

    Args:
        tag: Its name.
        children: Its content.
        attributes: Its attributes; `_` in names becomes `-`, one at the end is dropped (`class_`). True is an attribute
            without a value; False and None are left out.
    """
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    shown = {name: value for name, value in names.items() if value is not None and value is not False}
    texts = (f" {name}" if value is True else f' {name}="{escape(str(value))}"' for name, value in shown.items())
    start = f"<{tag}{''.join(texts)}>"
    return Html(start) if tag in VOID else Html(f"{start}{join(*children)}</{tag}>")


def section(title: str, name: str, *children: Child) -> Html:
    """Return a part of the page with its heading; its id is the name with `-title`."""
    heading = element("h2", title, id=f"{name}-title")
    return element("section", heading, *children, aria_labelledby=f"{name}-title")


def join(*children: Child) -> Html:
    """Return contents one after another, texts escaped."""
    return Html("".join(_render(child) for child in children))


def raw(tag: str, text: str, **attributes: str) -> Html:
    """Return a `style` or `script` with text of our own, which HTML does not escape.

    Raises:
        ValueError: The text would end the element.
    """
    if "</" in text or "<!--" in text:
        raise ValueError(f"text within <{tag}> contains '</' or '<!--'; write it in another way")
    start = element(tag, **attributes).removesuffix(f"</{tag}>")
    return Html(f"{start}{text}</{tag}>")


def _render(child: Child) -> str:
    if child is None or isinstance(child, Html):
        return child or ""
    if isinstance(child, str):
        return escape(child)
    return "".join(_render(part) for part in child)
