"""The order of the house: a package imports only from those before it, wherever in a file it does so."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import ebgenes

pytestmark = pytest.mark.fast

PACKAGE = Path(ebgenes.__file__).parent
ORDER = (
    ("errors", "imports", "arrays"),
    ("limits",),
    ("text_files",),
    ("files",),
    ("records",),
    ("numerics",),
    ("design",),
    ("data",),
    ("effects",),
    ("prior",),
    ("posteriors",),
    ("analyses",),
    ("classics",),
    ("results",),
    ("plots",),
    ("report",),
    ("app",),
    ("__main__",),
)
"""Rooms of one step do not know each other."""

LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
STUB = PACKAGE / "__init__.pyi"


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


RECORDS = [PACKAGE / "effects" / "engines", PACKAGE / "app" / "analyses"]
"""Folders of records by which a config is checked before numbers load, each called after what it tells of."""

FORMATS = PACKAGE / "data" / "formats"
"""Records of formats, called after what they read."""

LAZY = {"app/begin.py", "app/commands.py", *(named(path) for folder in RECORDS for path in folder.glob("*.py"))}
"""Files whose functions may import: a verb of the command line, an engine and an analysis load what they need."""

WANTED = {"PIL", "anndata", "ebgenes.plots", "formulaic", "openpyxl", "pyarrow", "scipy.interpolate", "scipy.io",
          "scipy.sparse", "scipy.stats", "ebgenes.effects.robust_variance_prior", "xlsxwriter"}  # fmt: skip
"""What may not be there, or takes long to load and is seldom wanted: imported where it is."""

MOST_WANTED = 30
"""Such imports in all of the package."""

LONGEST = 600


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def module(path: Path) -> str:
    return ".".join(("ebgenes", *path.relative_to(PACKAGE).with_suffix("").parts))


MODULES = {path: module(path) for path in FILES}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def homes() -> dict[str, str]:
    """Public names and the room each is at home in, as the stub says."""
    found = {}
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            found |= {alias.name: (node.module or alias.name).split(".")[0] for alias in node.names}
    return found | {"plot": "plots"}


HOMES = homes()


def imported_rooms(source: str) -> set[str]:
    """Rooms that a file of the package uses: by an import anywhere in it, or by a public name, as in ``eb.run``."""
    tree = parsed(source)
    found, aliases = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "ebgenes":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {HOMES.get(alias.name, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("ebgenes."):
                    found.add(alias.name.split(".")[1])
                if alias.name.split(".")[0] == "ebgenes":
                    aliases.add(alias.asname or "ebgenes")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            found.add(HOMES.get(node.attr, node.attr))
    return found - {"__version__"}


def wrong_rooms(source: str, own: str) -> list[str]:
    """Rooms used that do not come before one's own; a name that is no room is wrong too."""
    return sorted(other for other in imported_rooms(source) - {own} if other not in LEVEL or LEVEL[other] >= LEVEL[own])


def test_every_file_has_its_place():
    assert {room(path) for path in FILES} == LEVEL.keys()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_imports_point_to_what_comes_before(path: Path):
    wrong = wrong_rooms(path.read_text(encoding="utf-8"), room(path))
    assert not wrong, f"{named(path)} uses {wrong}, which do not come before it"


@pytest.mark.parametrize(
    "line",
    [
        "def f():\n    from ebgenes.app.cli import main\n",
        "import ebgenes as eb\n\ndef f():\n    return eb.run('config.yaml')\n",
        "import ebgenes\n\nx = ebgenes.run\n",
        "from ebgenes import run\n",
        "import ebgenes.app.steps\n",
        "from ebgenes.analyses import multi_df\n",
        "from ebgenes.no_such_room import f\n",
    ],
)
def test_the_rule_sees_a_wrong_import(line: str):
    source = (PACKAGE / "posteriors" / "fdr.py").read_text(encoding="utf-8")
    assert not wrong_rooms(source, "posteriors")
    assert wrong_rooms(source + "\n" + line, "posteriors")


def modules_imported(path: Path) -> set[str]:
    """Modules of the package that a file imports when it is imported itself."""
    found = set()
    for node in parsed(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ebgenes"):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found & set(MODULES.values())


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A way through a graph that ends where it began; empty where there is none."""
    done: set[str] = set()

    def search(name: str, way: list[str]) -> list[str]:
        if name in way:
            return way[way.index(name) :]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            if found := search(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := search(name, []))), [])


def graph_of_modules() -> dict[str, set[str]]:
    return {name: modules_imported(path) for path, name in MODULES.items()}


def test_no_modules_import_each_other():
    assert circle(graph_of_modules()) == []


def test_the_rule_sees_a_circle():
    """Posteriors under one prior need none over draws of it; if they came to, the two would go round."""
    graph = graph_of_modules()
    over_draws, given_prior = "ebgenes.posteriors.over_draws", "ebgenes.posteriors.given_prior"
    assert given_prior in graph[over_draws]
    graph[given_prior] = {*graph[given_prior], over_draws}
    assert set(circle(graph)) == {over_draws, given_prior}


def test_numerics_import_arrays_only():
    """Compiled loops and solvers know numba, numpy, scipy and array types, and nothing of records or files."""
    for path in (PACKAGE / "numerics").glob("*.py"):
        assert imported_rooms(path.read_text(encoding="utf-8")) <= {"numerics", "arrays", "errors"}, path


def test_kernels_import_no_private_names_of_others():
    for path in (PACKAGE / "numerics").glob("*.py"):
        names = [
            alias.name
            for node in ast.walk(parsed(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ebgenes")
            for alias in node.names
        ]
        assert not [name for name in names if name.startswith("_")], path


@cache
def imports_within(path: Path) -> dict[int, str]:
    """Modules that functions of a file import, by line."""
    tree = parsed(path.read_text(encoding="utf-8"))
    return {
        node.lineno: (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }


def is_wanted(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in WANTED)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_functions_do_not_import(path: Path):
    wrong = {} if named(path) in LAZY else {n: name for n, name in imports_within(path).items() if not is_wanted(name)}
    assert not wrong, f"{named(path)} imports within functions: {wrong}"


def test_few_imports_are_within_functions():
    assert sum(len(imports_within(path)) for path in FILES if named(path) not in LAZY) < MOST_WANTED


def test_no_file_is_long():
    long = {named(path): n for path in FILES if (n := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST}
    assert not [name for name in long if not name.startswith("numerics/")], long


def test_no_name_of_a_file_twice():
    """A name is enough to say which file is meant; loops, plots and records are called after what they serve."""
    names = Counter(
        path.name
        for path in FILES
        if path.name != "__init__.py"
        and room(path) not in ("numerics", "plots")
        and path.parent not in (*RECORDS, FORMATS)
    )
    assert not [name for name, n in names.items() if n > 1]


@pytest.mark.parametrize("name", ebgenes.__all__)
def test_public_names_resolve(name: str):
    value = getattr(ebgenes, name)
    assert value is not None
    if callable(value):
        assert value.__doc__


def test_public_functions_are_not_hidden_by_modules():
    """Importing a room must not put the module where the function of the same name was."""
    for path in FILES:
        if path.name != "__main__.py":
            import_module(
                ".".join(("ebgenes", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
            )
    for name, home in HOMES.items():
        assert callable(getattr(ebgenes, name)) or name in ("datasets", "pooling", "plots", "plot"), (name, home)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ebgenes.no_such_name
