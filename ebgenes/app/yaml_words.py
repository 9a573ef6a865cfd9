"""What is wrong with YAML, in words of someone who writes a config and not of a parser."""

from __future__ import annotations

import yaml

from ebgenes.errors import InputError

WORDS = (
    ("quoted scalar", "a quote is opened and not closed; close it, or take it out"),
    (
        "cannot start any token",
        "it begins with a tab or another character that YAML keeps for itself; indent with blanks",
    ),
    (
        "mapping values are not allowed",
        "there are two colons, or its indentation is wrong; quote a value that has a colon",
    ),
    ("expected <block end>", "its indentation does not fit the lines above; keys of one level begin in one column"),
    ("could not find expected ':'", "a key has no colon behind it, or the line above is not finished"),
    ("flow mapping", "a brace is opened and not closed"),
    ("flow sequence", "a bracket is opened and not closed"),
    ("undefined alias", "it begins with a star; quote it"),
)
"""Parts of the parser's messages, and what they mean."""


def yaml_message(error: BaseException, source: str) -> str:
    """One line: where the mistake is and what may be wrong, or what the parser says."""
    said = " ".join(str(error).split())
    mark = getattr(error, "context_mark", None) or getattr(error, "problem_mark", None)
    words = next((words for part, words in WORDS if part in said), None)
    if words is None or mark is None:
        return f"{source} is not valid YAML: {said}"
    begun = any(part in said for part in ("quoted scalar", "could not find expected"))
    mark = mark if begun else getattr(error, "problem_mark", None) or mark
    return f"{source} is not valid YAML, line {mark.line + 1}: {words}."


def require_keys_once(top: yaml.Node, source: str) -> None:
    """Refuse keys that a mapping has twice, of which the parser takes the last without a word.

    Raises
    ------
    InputError
        For the first of them.
    """
    seen: set[int] = set()
    waiting: list[yaml.Node] = [top]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                name = str(key.value)
                if name in lines and name != "<<":
                    raise InputError(
                        f"{source}, line {key.start_mark.line + 1}: the key {name!r} is there twice (first: line "
                        f"{lines[name]}). Leave one, or call them differently."
                    )
                lines[name] = key.start_mark.line + 1
                waiting.append(value)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
