"""Papers and books that methods name: as a reader cites them, and as BibTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A paper or book.

    Attributes
    ----------
    key
        Of BibTeX.
    authors
        ``Family I`` of each, parted by commas.
    year
        Of its appearance.
    title, journal, volume, pages
        Of a paper; a book has a publisher in place of a journal, and no volume and pages.
    doi
        Without the address.
    """

    key: str
    authors: str
    year: int
    title: str
    journal: str
    volume: str = ""
    pages: str = ""
    doi: str

    @property
    def text(self) -> str:
        """As in a list of references."""
        place = f"{self.journal} {self.volume}, {self.pages}." if self.volume else f"{self.journal}."
        return f"{self.authors} ({self.year}). {self.title}. {place}"

    @property
    def names(self) -> list[str]:
        """Family names of the authors."""
        return [re.sub(r" [A-Z]+$", "", each) for each in self.authors.split(", ")]

    @property
    def bibtex(self) -> str:
        """As an entry of BibTeX."""
        kind, place = ("article", "journal") if self.volume else ("book", "publisher")
        authors = " and ".join(re.sub(r"^(.*) ([A-Z]+)$", _initials, each) for each in self.authors.split(", "))
        values = {
            "author": authors, "title": f"{{{self.title}}}", place: self.journal, "year": str(self.year),
            "volume": self.volume, "pages": self.pages.replace("-", "--"), "doi": self.doi,
        }  # fmt: skip
        lines = [f"  {name} = {{{_ascii(value)}}}" for name, value in values.items() if value]
        return f"@{kind}{{{self.key},\n" + ",\n".join(lines) + "\n}"

    def cited_in(self, text: str) -> bool:
        """Whether text names it: the first author, and the year behind, with no other year between."""
        return re.search(rf"{re.escape(self.names[0])}\b[^0-9;.()]*(et al\.)?,? ?\(?{self.year}\b", text) is not None


def _initials(found: re.Match[str]) -> str:
    return f"{found[1]}, {' '.join(f'{letter}.' for letter in found[2])}"


def _ascii(text: str) -> str:
    return text.replace("á", "{\\'a}").replace("ø", "{\\o}")
