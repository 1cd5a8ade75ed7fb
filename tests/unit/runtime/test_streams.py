"""Text that a terminal cannot show does not end a program."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", b"\\u6c34 \\xfc"), ("latin-1", b"\\u6c34 \xfc")])
def test_a_character_that_the_encoding_lacks_is_written_by_its_number(encoding, shown):
    code = (
        "import sys; from instageo.runtime.streams import accept_any_text; accept_any_text(); "
        "sys.stdout.write('\\u6c34 ü')"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout == shown
