"""What covariates tell, and evidence against data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ebgenes.plots.canvas import composed
from ebgenes.plots.style import COLOUR, FAINT, SMALL, add_legend, displayed, set_heading


def covariate_shares(term: Mapping[str, Any], ax: Axes) -> Axes:
    """Shares of changed genes by values of a covariate, before and after their effects were seen.

    Parameters
    ----------
    term
        One of the ``terms`` of prior.json's ``covariates``.
    ax
        Where to draw.

    Returns
    -------
    Axes
        The same axes.
    """
    shares = term["shares"]
    place = np.arange(len(shares))
    before, after = (np.array([row[name] for row in shares]) for name in ("before", "after"))
    ax.plot(place, before, color=COLOUR["up"], marker="_", markersize=12, markeredgewidth=2, linewidth=0.8)
    ax.plot(place, after, color=COLOUR["down"], marker="o", markersize=5, linestyle="none")
    values = [row["value"] if isinstance(row["value"], str) else _short(row["value"]) for row in shares]
    ax.set_xticks(place, [displayed(value, 20) for value in values], parse_math=False)
    if max(map(len, values)) * len(values) > 60:
        ax.tick_params(axis="x", rotation=30)
    ax.set_ylim(0, 1.25 * max(float(before.max()), float(after.max()), 1e-3))
    ax.set_ylabel("share of changed genes")
    name = displayed(term["name"], 40)
    ax.set_xlabel(f"{name}" if len(shares) < 10 else f"{name}: medians of its tenths", parse_math=False)
    entries: list[tuple[Artist, str]] = [
        (Line2D([], [], color=COLOUR["up"], linewidth=1.6), "expected from the covariates alone"),
        (Line2D([], [], color=COLOUR["down"], marker="o", linestyle="none"), "found once the effects were seen"),
    ]
    # Inside, because the names of categories take the room below.
    handles, words = zip(*entries, strict=True)
    ax.legend(handles, words, loc="best", frameon=False, fontsize=SMALL)
    unknown = f"unknown for {term['unknown']:,} genes, which count as average" if term["unknown"] else ""
    set_heading(ax, f"What {name} tells", [unknown])
    return ax


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def evidence_conflict(term: Mapping[str, Any], ax: Axes) -> Axes:
    """An elicited log odds ratio, what the data say of it, and both together.

    Parameters
    ----------
    term
        One of the ``terms`` of prior.json's ``covariates``, with ``evidence``.
    ax
        Where to draw.

    Returns
    -------
    Axes
        The same axes.
    """
    evidence = term["evidence"]
    curves = (
        ("prior_mean", "prior_sd", "given", FAINT, (0, (4, 3))),
        ("likelihood", "likelihood_se", "the data alone", COLOUR["down"], "solid"),
        ("posterior", "posterior_se", "both together", COLOUR["up"], "solid"),
    )
    ends = [evidence[mean] + sign * 4 * evidence[sd] for mean, sd, *_ in curves for sign in (-1, 1)]
    x = np.linspace(min(ends), max(ends), 800)
    entries: list[tuple[Artist, str]] = []
    for mean, sd, words, colour, style in curves:
        density = np.exp(-0.5 * ((x - evidence[mean]) / evidence[sd]) ** 2) / (evidence[sd] * np.sqrt(2 * np.pi))
        (line,) = ax.plot(x, density, color=colour, linestyle=style, linewidth=1.6)
        odds = np.exp(evidence[mean] + np.array([-1.645, 0, 1.645]) * evidence[sd])
        entries.append((line, f"{words}: odds ratio {odds[1]:.2g} (90%: {odds[0]:.2g} to {odds[2]:.2g})"))
    ax.set_ylim(0, None)
    ax.set_xlabel(f"log odds ratio of being changed, per unit of {displayed(term['name'], 40)}", parse_math=False)
    ax.set_ylabel("density")
    add_legend(ax, entries)
    notes = [
        f"data and evidence are {abs(evidence['z']):.1f} standard deviations apart",
        f"probability that the evidence is beside the point: 0.2 before, {evidence['doubt']:.2g} now",
    ]
    set_heading(ax, "Evidence and data", notes)
    return ax


def draw_covariates(covariates: Mapping[str, Any], *, title: str = "") -> Figure:
    """What each covariate tells, a panel each, and another where it has evidence; prior.json's ``covariates``."""
    terms = covariates["terms"]
    n_panels = sum(2 if term["evidence"] else 1 for term in terms)
    with composed(-(-n_panels // 2), min(n_panels, 2), None, title) as (figure, panels):
        free = list(panels)
        for term in terms:
            covariate_shares(term, free.pop(0))
            if term["evidence"]:
                evidence_conflict(term, free.pop(0))
        for ax in free:
            ax.set_axis_off()
    return figure
