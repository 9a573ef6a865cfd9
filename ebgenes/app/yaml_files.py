"""YAML within bounds: its size, entries, depth and aliases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from ebgenes.app.yaml_words import require_keys_once
from ebgenes.errors import InputError

MOST_BYTES = 2_000_000
MOST_ENTRIES = 200_000
"""Of a config with all its aliases written out; a thousand contrasts have ten thousand."""

MOST_DEPTH = 60

DIGITS = 300
"""Of a number; Python's own numbers end there."""


class _Loader(yaml.SafeLoader):
    """Plain values only, counted while they are read."""

    seen, depth = 0, 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.seen += 1
        self.depth += 1
        if self.seen > MOST_ENTRIES or self.depth > MOST_DEPTH:
            raise ValueError(f"it has more than {MOST_ENTRIES:,} entries, or more than {MOST_DEPTH} within one another")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def plain_yaml(text: str, source: str) -> Any:
    """The plain values of YAML text; source is what messages call it.

    Raises
    ------
    yaml.YAMLError, ValueError
        For text that is not valid, or holds more than any config does.
    InputError
        For a key that is there twice.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"it has {len(text):,} characters; at most {MOST_BYTES:,} are read")
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        size = _size(node, {}, ())
        if size > MOST_ENTRIES:
            raise ValueError(
                f"its aliases (*name) stand for {size:.3g} entries; at most {MOST_ENTRIES:,} are read. Write them out"
            )
        require_keys_once(node, source)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int], above: tuple[int, ...]) -> int:
    """Entries of a node with its aliases written out."""
    if id(node) in above:
        raise ValueError("an alias (*name) stands within what it names, without end")
    if id(node) not in known:
        inside: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            inside = node.value
        elif isinstance(node, yaml.MappingNode):
            inside = [each for pair in node.value for each in pair]
        elif isinstance(node, yaml.ScalarNode) and node.tag.endswith(":int") and len(node.value) > DIGITS:
            raise ValueError(f"the number {node.value[:20]}... has {len(node.value)} digits; at most {DIGITS} are read")
        known[id(node)] = 1 + sum(_size(each, known, (*above, id(node))) for each in inside)
    return known[id(node)]


def yaml_text(path: str | os.PathLike[str]) -> str:
    """The text of a YAML file.

    Raises
    ------
    InputError
        Where it cannot be read or is too long.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(
                f"the config {path} has more than {MOST_BYTES:,} bytes, which no config needs. Is it another file?"
            )
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"cannot read the config {path}: {reason}. `ebgenes init` writes a starter.") from None
