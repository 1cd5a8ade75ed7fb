"""The folder that this program may fill with files it can make or fetch again."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def user_cache() -> Path:
    """Return `$INSTAGEO_CACHE`, else the cache folder of the operating system: on Linux `~/.cache/instageo`.

    On Linux, `$XDG_CACHE_HOME` replaces `~/.cache`. The folder may not exist yet.
    """
    chosen = os.environ.get("INSTAGEO_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("instageo", appauthor=False)
