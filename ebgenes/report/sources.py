"""Papers that a page names, as HTML: of what every page tells, and of what only some have."""

from __future__ import annotations

from collections.abc import Sequence

from ebgenes.effects.engines import ENGINES
from ebgenes.report.contents import ContrastPage

ALWAYS = (
    "Anders S, Huber W (2010). Differential expression analysis for sequence count data. <cite>Genome Biology</cite> "
    "11, R106.",
    "Benjamini Y, Hochberg Y (1995). Controlling the false discovery rate. <cite>Journal of the Royal Statistical "
    "Society B</cite> 57, 289.",
    "Efron B (2008). Microarrays, empirical Bayes and the two-groups model. <cite>Statistical Science</cite> 23, 1.",
    "Stephens M (2017). False discovery rates: a new deal. <cite>Biostatistics</cite> 18, 275.",
)
SEVERAL_EFFECTS = (
    "Urbut SM, Wang G, Carbonetto P, Stephens M (2019). Flexible statistical methods for estimating and testing "
    "effects in genomic studies with multiple conditions. <cite>Nature Genetics</cite> 51, 187."
)
HIDDEN_FACTORS = (
    "Wang J, Zhao Q, Hastie T, Owen AB (2017). Confounder adjustment in multiple hypothesis testing. <cite>Annals of "
    "Statistics</cite> 45, 1863."
)


def sources_of(pages: Sequence[ContrastPage], *, together: bool) -> list[str]:
    """What these pages cite, by the authors' names; `together`, where contrasts are taken together."""
    found = set(ALWAYS)
    for page in pages:
        found |= set(ENGINES[page.engine].sources) if page.engine in ENGINES else set()
        found |= {HIDDEN_FACTORS} if page.hidden else set()
    if together or any(page.rows for page in pages):
        found.add(SEVERAL_EFFECTS)
    return sorted(found)
