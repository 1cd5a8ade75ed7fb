"""Parts of messages: numbers of things (`1 chip`, `2 chips`, `2 classes`), and what a library's error says."""

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


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text without its full stop; the kind of error if it has no text.

    Examples:
        >>> first_line(ValueError("no such layer.")), first_line(MemoryError())
        ('no such layer', 'MemoryError')
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
