"""Sources that the page's methods name: as a reader cites them, and as BibTeX."""

from __future__ import annotations

import re
from collections.abc import Mapping
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


REFERENCES = (
    Reference(
        key="anders2010", authors="Anders S, Huber W", year=2010, journal="Genome Biology", volume="11", pages="R106",
        title="Differential expression analysis for sequence count data", doi="10.1186/gb-2010-11-10-r106",
    ),
    Reference(
        key="armstrong2022", authors="Armstrong TB, Kolesár M, Plagborg-Møller M", year=2022, journal="Econometrica",
        volume="90", pages="2567-2602", title="Robust empirical Bayes confidence intervals", doi="10.3982/ECTA18597",
    ),
    Reference(
        key="benjamini1995", authors="Benjamini Y, Hochberg Y", year=1995, volume="57", pages="289-300",
        journal="Journal of the Royal Statistical Society B", doi="10.1111/j.2517-6161.1995.tb02031.x",
        title="Controlling the false discovery rate: a practical and powerful approach to multiple testing",
    ),
    Reference(
        key="cox1987", authors="Cox DR, Reid N", year=1987, journal="Journal of the Royal Statistical Society B",
        volume="49", pages="1-39", title="Parameter orthogonality and approximate conditional inference",
        doi="10.1111/j.2517-6161.1987.tb01422.x",
    ),
    Reference(
        key="efron2008", authors="Efron B", year=2008, journal="Statistical Science", volume="23", pages="1-22",
        title="Microarrays, empirical Bayes and the two-groups model", doi="10.1214/07-STS236",
    ),
    Reference(
        key="harville1977", authors="Harville DA", year=1977, journal="Journal of the American Statistical Association",
        volume="72", pages="320-338", doi="10.1080/01621459.1977.10480998",
        title="Maximum likelihood approaches to variance component estimation and to related problems",
    ),
    Reference(
        key="huber1973", authors="Huber PJ", year=1973, journal="Annals of Statistics", volume="1", pages="799-821",
        title="Robust regression: asymptotics, conjectures and Monte Carlo", doi="10.1214/aos/1176342503",
    ),
    Reference(
        key="kass1989", authors="Kass RE, Steffey D", year=1989, volume="84", pages="717-726",
        journal="Journal of the American Statistical Association", doi="10.1080/01621459.1989.10478825",
        title="Approximate Bayesian inference in conditionally independent hierarchical models "
        "(parametric empirical Bayes models)",
    ),
    Reference(
        key="laird1987", authors="Laird NM, Louis TA", year=1987, volume="82", pages="739-750",
        journal="Journal of the American Statistical Association", doi="10.1080/01621459.1987.10478490",
        title="Empirical Bayes confidence intervals based on bootstrap samples",
    ),
    Reference(
        key="law2014", authors="Law CW, Chen Y, Shi W, Smyth GK", year=2014, journal="Genome Biology", volume="15",
        pages="R29", doi="10.1186/gb-2014-15-2-r29",
        title="voom: precision weights unlock linear model analysis tools for RNA-seq read counts",
    ),
    Reference(
        key="mccarthy2012", authors="McCarthy DJ, Chen Y, Smyth GK", year=2012, journal="Nucleic Acids Research",
        volume="40", pages="4288-4297", doi="10.1093/nar/gks042",
        title="Differential expression analysis of multifactor RNA-Seq experiments with respect to biological "
        "variation",
    ),
    Reference(
        key="morris1983", authors="Morris CN", year=1983, journal="Journal of the American Statistical Association",
        volume="78", pages="47-55", doi="10.1080/01621459.1983.10477920",
        title="Parametric empirical Bayes inference: theory and applications",
    ),
    Reference(
        key="phipson2016", authors="Phipson B, Lee S, Majewski IJ, Alexander WS, Smyth GK", year=2016,
        journal="Annals of Applied Statistics", volume="10", pages="946-963", doi="10.1214/16-AOAS920",
        title="Robust hyperparameter estimation protects against hypervariable genes and improves power to detect "
        "differential expression",
    ),
    Reference(
        key="rasmussen2006", authors="Rasmussen CE, Williams CKI", year=2006, journal="MIT Press",
        title="Gaussian processes for machine learning", doi="10.7551/mitpress/3206.001.0001",
    ),
    Reference(
        key="smyth2004", authors="Smyth GK", year=2004, volume="3", pages="3", doi="10.2202/1544-6115.1027",
        journal="Statistical Applications in Genetics and Molecular Biology",
        title="Linear models and empirical Bayes methods for assessing differential expression in microarray "
        "experiments",
    ),
    Reference(
        key="stephens2017", authors="Stephens M", year=2017, journal="Biostatistics", volume="18", pages="275-294",
        title="False discovery rates: a new deal", doi="10.1093/biostatistics/kxw041",
    ),
    Reference(
        key="urbut2019", authors="Urbut SM, Wang G, Carbonetto P, Stephens M", year=2019, journal="Nature Genetics",
        volume="51", pages="187-195", doi="10.1038/s41588-018-0268-8",
        title="Flexible statistical methods for estimating and testing effects in genomic studies with multiple "
        "conditions",
    ),
    Reference(
        key="wang2017", authors="Wang J, Zhao Q, Hastie T, Owen AB", year=2017, journal="Annals of Statistics",
        volume="45", pages="1863-1894", title="Confounder adjustment in multiple hypothesis testing",
        doi="10.1214/16-AOS1511",
    ),
)  # fmt: skip
"""By first author."""


SOFTWARE_TITLE = "ebgenes: hierarchical differential expression from counts to local false discovery rates"
"""As in CITATION.cff."""


def own_citation(versions: Mapping[str, str]) -> str:
    """How the software itself is cited."""
    version = versions.get("ebgenes")
    return f"The ebgenes developers. {SOFTWARE_TITLE}{f', version {version}' if version else ''}. Software."


def as_bibtex(cited: list[Reference], versions: Mapping[str, str]) -> str:
    """References and the software as BibTeX."""
    version = versions.get("ebgenes")
    own = {"author": "{The ebgenes developers}", "title": f"{{{SOFTWARE_TITLE}}}", "version": version or ""}
    lines = [f"  {name} = {{{value}}}" for name, value in own.items() if value]
    return "\n\n".join([*(each.bibtex for each in cited), "@software{ebgenes,\n" + ",\n".join(lines) + "\n}"])


def _initials(found: re.Match[str]) -> str:
    return f"{found[1]}, {' '.join(f'{letter}.' for letter in found[2])}"


def _ascii(text: str) -> str:
    return text.replace("á", "{\\'a}").replace("ø", "{\\o}")
