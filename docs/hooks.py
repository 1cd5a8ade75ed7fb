"""Hooks of MkDocs: the benchmarks join the site, and links to other files of the repository become names."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent

LINK = re.compile(r"(?<!!)\[([^\]\[]+)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)]*)?\)")
"""Relative links, not images: text, target and anchor."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the benchmarks, which no menu lists."""
    for path in sorted((ROOT / "benchmarks").glob("*.md")):
        page = File.generated(config, f"benchmarks/{path.name}", content=path.read_text(encoding="utf-8"))
        page.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(page)
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Point links at pages of the site, as far as there are such, and write the names of other files instead."""
    source = page.file.src_uri  # benchmarks/x.md lies there in the repository, too; x.md lies in docs
    folder = posixpath.dirname(source) or "docs"
    here = posixpath.dirname(source) or "."

    def change(link: re.Match[str]) -> str:
        text, target, anchor = link[1], posixpath.normpath(posixpath.join(folder, link[2])), link[3] or ""
        target = "docs/index.md" if target == "README.md" else target
        if target.endswith(".md") and target.startswith(("docs/", "benchmarks/")):
            return f"[{text}]({posixpath.relpath(target.removeprefix('docs/'), here)}{anchor})"
        return text if target in text else f"{text} (`{target}`)"

    return LINK.sub(change, markdown)
