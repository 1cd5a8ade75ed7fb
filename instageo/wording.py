"""Numbers of things in messages: `1 chip`, `2 chips`, `2 classes`."""

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
