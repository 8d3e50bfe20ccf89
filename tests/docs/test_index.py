"""Every page is in the index under one kind, and every page that code or pages name exists."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
KINDS = ["Tutorial", "How-to", "Reference", "Explanation"]
# Other texts name these by their place, so they stay at the top.
AT_THE_TOP = {"acceptance.md", "glossary.md", "adr"}
# The pages of platforms have a folder of their own.
ALSO = {"Reference": "platforms/"}
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)[^)]*\)")
NAMED = re.compile(r"\bdocs/[\w./-]*\w\.md\b")


def links(text):
    return [target.rstrip("/") for target in LINK.findall(text)]


def missing_from(index, pages):
    counted = Counter(links(index))
    return sorted(page for page in pages if counted[page] != 1)


def pages():
    """Decisions are listed as a folder."""
    found = {file.relative_to(DOCS).as_posix() for file in DOCS.rglob("*.md")} - {"README.md"}
    return {page for page in found if not page.startswith("adr/")} | {"adr"}


def test_every_page_is_in_the_index_once() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", index, re.MULTILINE) == KINDS
    assert missing_from(index, pages()) == []
    assert missing_from(index, {*pages(), "a-new-page.md"}) == ["a-new-page.md"]


def outside_their_folder(index):
    """Pages that are listed under a kind and lie in the folder of another, or in none."""
    sections = re.split(r"^## (.+)$", index, flags=re.MULTILINE)
    return [
        page
        for kind, section in zip(sections[1::2], sections[2::2], strict=True)
        for page in links(section)
        if page not in AT_THE_TOP and not page.startswith((f"{kind.lower()}/", ALSO.get(kind, "?")))
    ]


def test_every_page_lies_in_the_folder_of_its_kind() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert outside_their_folder(index) == []
    assert outside_their_folder(index.replace("(how-to/add.md)", "(reference/add.md)")) == ["reference/add.md"]


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    if not listed:
        pytest.skip("no work tree of git")
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def test_every_link_of_a_page_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in tracked("*.md")
        for target in links(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_page_that_code_names_exists() -> None:
    files = tracked("*.py", "*.sql", "*.toml", "Makefile", "*.yaml")
    named = {
        (file.relative_to(ROOT).as_posix(), page)
        for file in files
        for page in NAMED.findall(file.read_text(encoding="utf-8"))
    }
    assert len(named) > 5
    assert [one for one in sorted(named) if not (ROOT / one[1]).exists()] == []
