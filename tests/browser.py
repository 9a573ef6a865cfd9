"""A report page in Chromium, and what its tests ask of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from ebgenes.report.contents import ContrastPage

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
LACKING = [
    name
    for name, found in (("chromium", CHROMIUM), ("chromedriver", DRIVER), ("selenium", find_spec("selenium")))
    if not found
]

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1400,900",
]  # fmt: skip
HOSTILE = [
    "<script>document.title='broken'</script>",
    '"><img src=x onerror="document.title=1">',
    "=cmd()",
    "../../x",
    "x" * 300,
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET}",
    "{{ 7*7 }}",
    "a&lt;b",
]
CONFIG = {
    "datasets": {
        "one": {
            "counts": "c.tsv", "samples": "s.tsv", "design": "~ group",
            "contrasts": {"treated": {"column": "group", "baseline": "control", "target": "treated"}},
        }
    },
    "effects": {"engine": "moderated_t", "hidden_factors": 0},
}  # fmt: skip


class Page:
    """A page in the browser, and what a test asks of it."""

    def __init__(self, driver: Any, path: Path, downloads: Path, link: str = "") -> None:
        self.driver, self.downloads = driver, downloads
        driver.get_log("browser")
        driver.get(path.as_uri() + link)
        self.until(lambda: self.run("return document.documentElement.dataset.complete"))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, met: Callable[[], Any], seconds: float = 20) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = met()
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"waited {seconds} s in vain; the console says {self.driver.get_log('browser')}")

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def set(self, selector: str, value: object, event: str = "input") -> None:
        script = """
          const [selector, value, event] = arguments, where = document.querySelector(selector);
          where.value = value;
          where.dispatchEvent(new Event(event, {bubbles: true}));
          return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));"""
        self.run(script, selector, str(value), event)

    def counts(self) -> tuple[int, int]:
        up, down = (int(self.text(f"#count-{side}").replace(",", "")) for side in ("up", "down"))
        return up, down

    def shown(self) -> int:
        return int(self.text("#shown").split(" ")[0].replace(",", ""))

    def rows(self) -> list[str]:
        script = "return [...document.querySelectorAll('#table tbody tr[data-gene] th bdi')].map((e) => e.textContent)"
        return list(self.run(script))

    def search(self, text: str) -> None:
        self.set("#search", text)
        # The page waits for the end of typing.
        time.sleep(0.25)

    def downloaded(self, press: str, name: str) -> bytes:
        path = self.downloads / name
        path.unlink(missing_ok=True)
        self.run("document.querySelector(arguments[0]).click()", press)
        self.until(path.is_file)
        return path.read_bytes()

    def console(self) -> list[Any]:
        return list(self.driver.get_log("browser"))


def clean(name: str) -> str:
    return name.replace("\N{RIGHT-TO-LEFT OVERRIDE}", "")


def changed(contrast: ContrastPage, **values: Any) -> ContrastPage:
    kept = {name: getattr(contrast, name) for name in contrast.__slots__}
    return ContrastPage(**{**kept, **values})


def held(table: pd.DataFrame, level: float, rate: str = "s_value") -> pd.Series:
    """Which genes are in the list: by signs, or by another rate."""
    by_sign = table["lfsr"] < 0.475
    return (table[rate] < level) & (by_sign if rate == "s_value" else True)


def listed(table: pd.DataFrame, level: float, effect: float, rate: str = "s_value") -> tuple[int, int]:
    found = table[held(table, level, rate) & (table["post_mean"].abs() >= effect)]
    return int((found["post_mean"] > 0).sum()), int((found["post_mean"] < 0).sum())
