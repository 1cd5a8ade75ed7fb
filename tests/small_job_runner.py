"""A runner of jobs that does in short steps what its model's source says: `quick`, `slow`, `crash`, and so on."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from instageo.area_maps.job_runner import run_order
from instageo.errors import ConfigError

COMMAND = [sys.executable, str(Path(__file__))]


class SmallRunner:
    """Writes small files in place of maps."""

    def run(self, model, requests, output, progress):
        """Do what the source of the model says."""
        request = next(iter(requests.values()))
        folder = output.folder
        folder.mkdir(parents=True, exist_ok=True)
        progress("searching images", 0, 0)
        if model == "slow":
            return self._slow(folder, progress)
        if model == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            progress("deaf", 0, 1)
            time.sleep(600)
        if model == "abort":
            os.abort()
        if model == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if model == "memory":
            raise MemoryError
        if model == "error":
            raise ConfigError(f"{folder}/x.tif: no image of {request.days[0]} was found; choose other days")
        if model == "bug":
            raise RuntimeError("secret")
        sys.stdout.write("a library prints this\n")
        os.write(1, b"\xff\xfe{not json\n")
        zones = json.loads(Path(request.zones).read_text())["features"] if request.zones else []
        names = [each["properties"]["name"] for each in zones]
        (folder / "report.html").write_text(f"<h1>{names}</h1><script>document.title = 'ran'</script>")
        (folder / "areas.csv").write_text("zone,hectares\n")
        (folder / "T36KXD").mkdir(exist_ok=True)
        (folder / "T36KXD" / "map.tif").write_bytes(bytes(3_000_000))
        for name in filter(None, requests):
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "request.json").write_text(str(folder))
            (folder / name / "report.html").write_text(f"<h1>{name}</h1>")
        (folder / ".hidden.tif").write_bytes(b"x")
        (folder / "weights.pkl").write_bytes(b"x")
        if not (folder / "link.tif").is_symlink():
            (folder / "link.tif").symlink_to("/etc/passwd")
        (folder / "request.json").write_text(json.dumps({"days": [str(days) for days in request.days]}))
        progress("mapping", 2, 2)
        return "1 of 2 tiles could not be mapped (T36KXD)" if model == "partial" else ""

    def plan(self, model, requests, output):
        """Return a plan, or do as the source of the model says."""
        if model == "error":
            raise ConfigError("no image was found; choose other days")
        if model == "slow":
            time.sleep(600)
        return {
            "tiles": ["T36KXD"],
            "images": 3 * len(requests),
            "megabytes": [12.5, 40.2],
            "network_seconds": 120,
            "notes": ["<b>"],
        }

    def _slow(self, folder, progress):
        """Write one line per step to a file; a second run continues after the last line."""
        steps = folder / "steps.csv"
        done = len(steps.read_text().splitlines()) if steps.exists() else 0
        (folder / "pieces.bin").write_bytes(bytes(100_000))
        for step in range(done, 60):
            with steps.open("a") as file:
                file.write(f"{step},{os.getpid()}\n")
            progress("mapping", step + 1, 60)
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(run_order(SmallRunner()))
