"""Size of the report page, what making it costs, and how soon a browser shows the first volcano.

    python benchmarks/page/page.py [--keep FOLDER]

needs chromium, chromedriver and selenium. Columns: tested genes, contrasts, samples; seconds to make the page and
its size in MB; milliseconds from the start of loading until volcano, MA plot and table are drawn (smallest of three
visits, network off), and until everything else is.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

import ebgenes as eb
from ebgenes.app.config import parse_config
from ebgenes.app.pages import contrast_page
from ebgenes.app.prepare import contrast_design
from ebgenes.app.steps import estimate, fit_contrast
from ebgenes.data.simulate import simulate_counts
from ebgenes.records.counts import Counts, Study
from ebgenes.report.contents import ContrastPage
from ebgenes.report.render import render_report

SIZES = ((20_000, 1, 8), (20_000, 10, 24), (60_000, 1, 8), (60_000, 30, 24))
TOLD = "document.documentElement.dataset"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--window-size=1400,900")


def pages(n_genes: int, n_contrasts: int, n_samples: int) -> tuple[Study, list[ContrastPage]]:
    """Contrasts of simulated studies: each has effects of its own, all show the first one's counts."""
    config = parse_config(
        {
            "datasets": {
                "simulated": {
                    "counts": "-", "samples": "-", "design": "~ group",
                    "contrasts": {"treated": {"column": "group", "baseline": "control", "target": "treated"}},
                }
            },
            "effects": {"engine": "moderated_t", "hidden_factors": 0},
        }
    )  # fmt: skip
    dataset, made, first = config.datasets["simulated"], [], None
    for i in range(n_contrasts):
        drawn = simulate_counts(np.random.default_rng(i), n_genes=n_genes, n_per_group=n_samples // 2)
        # Ids and names as long as Ensembl's and as varied as symbols.
        gene = np.array([f"ENSG{30_000_000 + 137 * g:011d}" for g in range(n_genes)], dtype=object)
        counts = eb.normalize(Counts(gene=gene, sample=drawn.counts.sample, count=drawn.counts.count), "median_ratio")
        design = contrast_design(drawn.samples, "~ group", dataset.contrasts["treated"], "treated", {})
        screen = eb.screen_genes(counts, design, min_count=0)
        study = Study(counts=counts, samples=drawn.samples, screen=screen)
        effects = estimate(study, design, config.effects)
        found = fit_contrast(effects, study.screen, config.prior, config.gibbs, config.report)
        letters = np.random.default_rng(1).integers(65, 91, (n_genes, 5))
        found.table["gene_name"] = ["".join(map(chr, row)) + str(g % 10) for g, row in enumerate(letters)]
        found.summary["contrast"]["name"] = "treated"
        page = contrast_page(Path("-"), found.table, found.fit.prior, found.summary, study, dataset, config)
        kept = {name: getattr(page, name) for name in page.__slots__}
        made.append(ContrastPage(**{**kept, "name": f"treated_{i}"}))
        first = first or study
    return first, made


def visit(driver: object, path: Path) -> tuple[float, float]:
    """Milliseconds until the first figures and until all are drawn."""
    driver.get(path.as_uri())
    for _ in range(6000):
        told = driver.execute_script(
            "const {drawn, complete} = document.documentElement.dataset; return [drawn, complete]"
        )
        if told[1]:
            return float(told[0]), float(told[1])
        time.sleep(0.01)
    raise SystemExit(f"{path} was not drawn within a minute")


def main() -> None:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", help="folder for the pages")
    folder = Path(parser.parse_args().keep or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    print("genes\tcontrasts\tsamples\tmake_s\tsize_mb\tfirst_ms\tall_ms")
    for size in SIZES:
        study, contrasts = pages(*size)
        start = time.perf_counter()
        text = render_report(contrasts, dataset="simulated", versions=eb.versions(), study=study)
        seconds = time.perf_counter() - start
        path = folder / f"{size[0]}_{size[1]}.html"
        path.write_text(text, encoding="utf-8")
        seen = [visit(driver, path) for _ in range(3)]
        first, everything = (min(each) for each in zip(*seen, strict=True))
        megabytes = path.stat().st_size / 1e6
        print(*size, f"{seconds:.2f}", f"{megabytes:.2f}", f"{first:.0f}", f"{everything:.0f}", sep="\t", flush=True)
    driver.quit()


if __name__ == "__main__":
    main()
