"""Problems of a table, which are reported all at once."""

from dataclasses import dataclass, field

from instageo.errors import TableError
from instageo.wording import counted

MOST_SHOWN = 10


@dataclass
class Problems:
    """Collects the problems of a table.

    Attributes:
        table: The file, for messages.
        sentences: Row, from 1 without the header, and a sentence.
    """

    table: str
    sentences: list[tuple[int, str]] = field(default_factory=list)

    def add(self, number: int, sentence: str) -> None:
        """Note a problem of a row."""
        self.sentences.append((number, sentence))

    def check(self) -> None:
        """Raise a TableError that lists the first problems and counts them, if there are any."""
        if not self.sentences:
            return
        lines = [f"row {number}: {sentence}" for number, sentence in sorted(self.sentences)[:MOST_SHOWN]]
        rest = len(self.sentences) - len(lines)
        if rest:
            lines.append(f"and {counted(rest, 'other problem')}")
        title = f"{self.table}: {counted(len(self.sentences), 'problem')} (rows are counted from 1, without the header)"
        raise TableError("\n  ".join([title, *lines]))
