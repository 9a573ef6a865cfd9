"""Pages for whoever changes the code name what is there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DECISIONS = sorted(path.name for path in (ROOT / "docs/decisions").glob("0*.md"))
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([a-z_]+(?:/[A-Za-z_0-9.]+)+\.(?:py|pyi|yaml|j2))`", ARCHITECTURE)))


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    assert re.findall(r"\]\((0\d+-[^)]*\.md)\)", index) == DECISIONS


@pytest.mark.parametrize("name", NAMED)
def test_architecture_names_files_that_are_there(name: str) -> None:
    if "NAME" in name:
        return
    assert any((folder / name).is_file() for folder in (ROOT, ROOT / "ebgenes")), name


def test_architecture_has_every_package() -> None:
    packages = {path.parent.name for path in (ROOT / "ebgenes").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"`(\w+)/`", ARCHITECTURE))


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "config/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
DOTTED = sorted(
    {name for page in PAGES for name in re.findall(r"`(ebgenes(?:\.[a-z_0-9]+)+)(?:\(|`)", page.read_text("utf-8"))}
)


@pytest.mark.parametrize("name", DOTTED)
def test_dotted_names_are_there(name: str) -> None:
    if name.endswith((".yaml", ".io", ".model", ".pipeline")):
        # A file, and what the changelog says is no more.
        return
    parts = name.split(".")
    for k in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:k]))
        except ModuleNotFoundError:
            continue
        for part in parts[k:]:
            found = getattr(found, part)
        return
