"""Parts of messages: numbers of things (`1 chip`, `2 chips`, `2 classes`), and what a library's error says."""

MAX_NAME = 200
"""Most characters of a name in tables and pictures."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First letters of texts that a spreadsheet would compute."""

SINGULAR_VERBS = {"are": "is", "have": "has", "were": "was"}


def counted(number: int, noun: str, verb: str = "") -> str:
    """Return a number with its noun, and with a verb if one follows, in the singular or plural.

    Args:
        number: How many.
        noun: The thing in the singular.
        verb: `are`, `have` or `were`, if the things are the subject of the sentence.

    Examples:
        >>> counted(1, "class"), counted(2, "class"), counted(1, "chip", "are")
        ('1 class', '2 classes', '1 chip is')
    """
    plural = noun[:-1] + "ies" if noun.endswith("ry") else noun + ("es" if noun.endswith("s") else "s")
    words = f"{number} {noun if number == 1 else plural}"
    if not verb:
        return words
    return f"{words} {SINGULAR_VERBS[verb] if number == 1 else verb}"


def option_flag(name: str) -> str:
    """Return the option of a command line that sets an argument or field.

    Examples:
        >>> option_flag("batch_tiles")
        '--batch-tiles'
    """
    return f"--{name.replace('_', '-')}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text without its full stop; the kind of error if it has no text.

    Examples:
        >>> first_line(ValueError("no such layer.")), first_line(MemoryError())
        ('no such layer', 'MemoryError')
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def plain_name(text: str) -> str:
    r"""Return a name of a stranger in one line: without control characters, and at most `MAX_NAME` characters.

    Examples:
        >>> plain_name("North\n  District\0"), len(plain_name("x" * 1000))
        ('North District', 200)
    """
    words = " ".join(text[: 4 * MAX_NAME].split())
    shown = "".join(letter for letter in words if letter.isprintable())
    return shown if len(shown) <= MAX_NAME and len(text) <= 4 * MAX_NAME else f"{shown[: MAX_NAME - 1]}…"


def harmless_cell(cell: object) -> object:
    """Return a cell of a table; a text that a spreadsheet would compute begins with an apostrophe.

    Examples:
        >>> harmless_cell("=1+1"), harmless_cell("water"), harmless_cell(-2.5)
        ("'=1+1", 'water', -2.5)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
