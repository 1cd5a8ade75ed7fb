import json

import pytest

from instageo.data.output.run_settings import SETTINGS, check_settings
from instageo.errors import RunFolderError

RECORD = {"options": {"input_sha256": "a", "size": 64}}


@pytest.mark.parametrize(
    ("former", "problem"),
    [
        ({"input_sha256": "b", "size": 64}, "were made from another table, or labels, or these were changed since"),
        ({"input_sha256": "a", "size": 32}, "were made with size=32, but you passed size=64"),
        ([1], "is damaged"),
    ],
)
def test_a_folder_of_other_chips_is_not_resumed(tmp_path, former, problem):
    (tmp_path / SETTINGS).write_text(json.dumps({"options": former}))
    with pytest.raises(RunFolderError, match=problem):
        check_settings(tmp_path, RECORD)


def test_a_folder_of_equal_chips_is_resumed(tmp_path):
    (tmp_path / SETTINGS).write_text(json.dumps(RECORD))
    check_settings(tmp_path, RECORD)
