"""YAML text into plain values: every scalar stays text (the models convert it), and keeps its line."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from notifier.errors import ConfigurationError
from notifier.settings.draft import Draft, Place
from notifier.settings.outline import Path

_NULLS = ("", "~", "null", "Null", "NULL")
_PLAIN_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{")
_WORDS = {
    "no alias": "a value that begins with & or * needs quotes (anchors and aliases are not supported)",
    "mapping values are not allowed": "a second ':' on one line; put a value that holds ': ' in quotes",
    "could not find expected ':'": "a setting's name lacks its ':'",
    "expected <block end>": "this doesn't line up with what stands above; mind the indentation",
    "expected ','": "a list in [ ] or a map in { } lacks a comma or its end",
    "found unexpected end of stream": "a quote is opened and never closed",
    "found another document": "a second document begins; only one is read",
    "cannot start any token": "tabs can't indent, and a value that begins with @, ` or % needs quotes",
}


class _Loader(yaml.BaseLoader):
    """Takes no aliases: a few lines of them can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs know no events
        if getattr(event, "anchor", None) is not None:
            raise yaml.MarkedYAMLError(problem="no alias", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads YAML, noting in the draft where each setting stands.

    `place` makes a place of a line; `environ` fills `${NAME}`, unless it is None.
    """

    draft: Draft
    place: Callable[[int], Place]
    environ: Mapping[str, str] | None = None

    def read(self, text: str, path: Path = ()) -> Any:
        """Return text, lists and maps; None if there is nothing.

        Raises:
            ConfigurationError: It isn't YAML.
        """
        source = self.place(0).source
        try:
            node = yaml.compose(text, Loader=_Loader)
            return None if node is None else self._value(node, path)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}:{mark.column + 1}" if mark and self.place(1).line else ""
            raise ConfigurationError([f"{source}{line}: not YAML: {_plainly(error.problem)}"]) from None
        except (yaml.YAMLError, ValueError, OverflowError):
            raise ConfigurationError([f"{source}: not YAML: it holds characters that are not text"]) from None
        except RecursionError:
            raise ConfigurationError([f"{source}: lists and maps are nested too deeply"]) from None

    def _value(self, node: yaml.Node, path: Path) -> Any:
        if path:
            self.draft.places.setdefault(path, self._place(node))
        if node.tag not in _PLAIN_TAGS:
            self.draft.wrong(path, "found a tag, expected a plain value; put a value that begins with ! in quotes")
        match node:
            case yaml.SequenceNode():
                return [self._value(entry, (*path, index)) for index, entry in enumerate(node.value)]
            case yaml.MappingNode():
                return self._map(node, path)
            case yaml.ScalarNode():
                return self._text(node, path)
            case _:
                raise TypeError(node)  # YAML has no other

    def _map(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            here = (*path, str(key.value))
            if not isinstance(key, yaml.ScalarNode):
                self.draft.wrong(path, "found a list or map, expected a setting's name", self._place(key))
            elif key.value in values:
                first = self.draft.places[here]
                self.draft.wrong(here, f"given twice, first at {first}; keep one of them", self._place(key))
            else:
                self.draft.places[here] = self._place(key)
                values[key.value] = self._value(value, here)
        return values

    def _text(self, node: yaml.ScalarNode, path: Path) -> str | None:
        if node.style is None and node.value in _NULLS:
            return None
        if self.environ is None or "${" not in node.value:
            return str(node.value)
        self.draft.templates[path] = node.value
        text, mistakes = _fill(node.value, self.environ)
        for mistake in mistakes:
            self.draft.wrong(path, mistake)
        return text

    def _place(self, node: yaml.Node) -> Place:
        return self.place(node.start_mark.line + 1)


def _fill(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Put variables in the place of `${NAME}` and `${NAME:-default}`; `$${` stands for `${`.

    A variable that is empty counts as not set. Returns what is wrong beside the text.
    """
    mistakes: list[str] = []

    def value(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        name, default = found["name"], found["default"]
        if name is None:
            mistakes.append("found ${ without a variable's name and }; write $${ for a plain ${")
            return ""
        if not environ.get(name) and default is None:
            mistakes.append(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
        return environ.get(name) or default or ""

    return _VARIABLE.sub(value, text), mistakes


def _plainly(problem: str | None) -> str:
    """Say what the parser found, without quoting the text: it may be a secret."""
    words = (plain for theirs, plain in _WORDS.items() if theirs in (problem or ""))
    return next(words, "this can't be read; put the value in quotes")
