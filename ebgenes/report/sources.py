"""Sources that a page names: engines' own, those of what every page tells, and how the software itself is cited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ebgenes.effects.engines import ENGINES
from ebgenes.records.references import Reference
from ebgenes.report.contents import ContrastPage, Section

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
        key="efron2008", authors="Efron B", year=2008, journal="Statistical Science", volume="23", pages="1-22",
        title="Microarrays, empirical Bayes and the two-groups model", doi="10.1214/07-STS236",
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
        key="morris1983", authors="Morris CN", year=1983, journal="Journal of the American Statistical Association",
        volume="78", pages="47-55", doi="10.1080/01621459.1983.10477920",
        title="Parametric empirical Bayes inference: theory and applications",
    ),
    Reference(
        key="rasmussen2006", authors="Rasmussen CE, Williams CKI", year=2006, journal="MIT Press",
        title="Gaussian processes for machine learning", doi="10.7551/mitpress/3206.001.0001",
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
"""Of all that is no engine's; a page has those that its methods name."""


def reference(key: str) -> Reference:
    """One of `REFERENCES`."""
    return next(each for each in REFERENCES if each.key == key)


def sources_of(pages: Sequence[ContrastPage], written: str, sections: Sequence[Section]) -> list[Reference]:
    """What these pages cite, by the authors' names.

    Parameters
    ----------
    pages
        Their engines' sources are cited.
    written
        Their methods as text: what it names is cited.
    sections
        Of analyses, which say what they cite.
    """
    own = {each for page in pages if page.engine in ENGINES for each in ENGINES[page.engine].sources}
    own |= {each for section in sections for each in section.sources}
    known = {each for engine in ENGINES.values() for each in engine.sources} | set(REFERENCES)
    named = {each for each in known if each.cited_in(written)}
    return sorted(own | named, key=lambda each: (each.authors, each.year))


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
