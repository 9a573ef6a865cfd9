"""Draw docs/pooling.svg: no, complete and partial pooling, of three classical data sets and of airway."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import gamma

import ebgenes as eb
from ebgenes.classics import datasets, pooling

ROOT = Path(__file__).parents[1]
OWN, SHRUNK, COMMON = "#0072b2", "#d55e00", "#555555"
SHOWN = 24
"""Genes of airway in the figure, evenly taken by their estimates' size over their errors."""


def ladder(ax: Axes, own: np.ndarray, shrunk: np.ndarray, common: float, low: np.ndarray, high: np.ndarray) -> None:
    """Own estimates above, shrunken ones below with their intervals, lines between; the common value upright."""
    for start, end in zip(own, shrunk, strict=True):
        ax.plot([start, end], [1, 0], color="#bbbbbb", linewidth=0.8, zorder=1)
    ax.axvline(common, color=COMMON, linewidth=1.2, linestyle="--", zorder=0)
    place = -0.12 - 0.5 * (np.argsort(np.argsort(shrunk)) + 1) / len(own)
    ax.hlines(place, low, high, color=SHRUNK, linewidth=1.0, alpha=0.6, zorder=1)
    ax.plot(own, np.ones(len(own)), "o", color=OWN, markersize=4.5, zorder=2)
    ax.plot(shrunk, np.zeros(len(own)), "o", color=SHRUNK, markersize=4.5, zorder=2)
    ax.set_yticks([1, 0], ["no pooling", "partial\npooling"])
    ax.set_ylim(-0.75, 1.2)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)


def draw_hospitals(ax: Axes) -> None:
    data = datasets.hospitals()
    known = pooling.gamma_poisson(data.observed, data.expected, 8.0, 8.0)
    low, high = (gamma.ppf(tail, known.shape, scale=1 / known.rate) for tail in (0.025, 0.975))
    ladder(ax, known.own, known.mean, known.pooled, low, high)
    ax.set(title="Three hospitals, prior Gamma(8, 8)", xlabel="deaths observed / expected")


def draw_baseball(ax: Axes) -> None:
    data = datasets.baseball()
    mean = data.average.mean()
    known = pooling.james_stein(data.average, np.sqrt(mean * (1 - mean) / 45))
    ladder(ax, data.average, known.mean, known.center, known.mean - 1.96 * known.sd, known.mean + 1.96 * known.sd)
    ax.plot(data.remainder, np.full(len(data.remainder), 0.5), "|", color="black", markersize=9)
    ax.set_yticks([1, 0.5, 0], ["no pooling", "rest of season", "partial\npooling"])
    ax.set(title="Eighteen batters, James and Stein", xlabel="batting average")


def draw_schools(ax: Axes) -> None:
    data = datasets.eight_schools()
    known = pooling.partial_pooling(data.estimate, data.se, 6.0)
    ladder(ax, data.estimate, known.mean, known.center, known.mean - 1.96 * known.sd, known.mean + 1.96 * known.sd)
    ax.set(title="Eight schools, at tau = 6", xlabel="effect of coaching, points")


def draw_airway(ax: Axes) -> None:
    samples = eb.read_samples(ROOT / "resources/airway/samples.tsv")
    question = eb.compare("dex", baseline="untrt", target="trt")
    design = eb.build_design(samples, "~ cell + dex", contrast=question)
    counts = eb.read_counts(ROOT / "resources/airway/counts.tsv.gz")
    counts = eb.normalize(eb.keep_expressed(counts, eb.screen_genes(counts, design)))
    effects = eb.fit_effects(counts, design)
    table = eb.results_table(effects, eb.posterior(effects, eb.fit_em(effects).prior))
    order = table["stat"].abs().argsort().to_numpy()
    few = table.iloc[order[np.linspace(0, len(order) - 20, SHOWN).astype(int)]]
    low, high = few["ci_low"].to_numpy(), few["ci_high"].to_numpy()
    ladder(ax, few["log2_fc"].to_numpy(), few["post_mean"].to_numpy(), float(few["pooled"].iloc[0]), low, high)
    ax.set(title=f"airway, {SHOWN} of {len(table):,} genes, two-group prior", xlabel="log2 fold change, dexamethasone")


def main() -> None:
    # The same file on every run.
    mpl.rcParams |= {"svg.hashsalt": "pooling", "font.size": 9}
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    for ax, draw in zip(axes, (draw_hospitals, draw_baseball, draw_schools, draw_airway), strict=True):
        draw(ax)
        ax.title.set_fontsize(10)
    handles = [
        axes[0].plot([], [], "o", color=OWN, label="no pooling: own estimate")[0],
        axes[0].plot([], [], "o-", color=SHRUNK, label="partial pooling: posterior mean, 95% interval")[0],
        axes[0].plot([], [], "--", color=COMMON, label="complete pooling: one value for all")[0],
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(ROOT / "docs/pooling.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
