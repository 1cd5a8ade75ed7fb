"""The environment of a run: revision of the code, package versions, processor, memory."""

import subprocess

from instageo.model.tracking.environment import cpu_name, git_revision, package_versions, peak_memory


def git(folder, *arguments):
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", str(folder), *author, *arguments], check=True, capture_output=True)


def test_the_revision_of_a_repository_and_whether_it_is_dirty(tmp_path, monkeypatch):
    assert git_revision(tmp_path) is None
    git(tmp_path, "init")
    assert git_revision(tmp_path) is None  # no commit yet
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-m", "one")
    clean = git_revision(tmp_path)
    assert len(clean["revision"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "code.py").write_text("2")
    assert git_revision(tmp_path) == {**clean, "dirty": True}
    monkeypatch.setenv("PATH", "")
    assert git_revision(tmp_path) is None


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr("instageo.model.tracking.environment.PACKAGES", ("no-such-package", "numpy"))
    assert package_versions()["no-such-package"] is None


def test_the_processor_has_a_name(monkeypatch):
    monkeypatch.setattr(
        "pathlib.Path.read_text", lambda path, encoding: "processor\t: 0\nmodel name\t: Fast CPU @ 2 GHz\n"
    )
    assert cpu_name() == "Fast CPU @ 2 GHz"


def test_peak_memory_grows_with_what_the_process_allocates():
    before = peak_memory()["process_peak_bytes"]
    block = bytearray(300_000_000)
    assert peak_memory()["process_peak_bytes"] >= max(before, len(block))
