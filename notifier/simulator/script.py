"""Scripted scenarios: a world to begin with, and what happens to it when. Pure: elapsed time is an argument."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from notifier.errors import ConfigurationError
from notifier.simulator.changes import Change, SetLimit
from notifier.simulator.form import Form, Located, Mistakes, duration, limit, read_form
from notifier.simulator.reading import read_account, read_change
from notifier.simulator.world import World

_ONCE = timedelta()


@dataclass(frozen=True, slots=True)
class Step:
    """A change and when it happens, counted from the start of its round; `line` is where it is written."""

    at: timedelta
    change: Change
    line: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """A scenario; `steps` are in order of time and begin anew every `repeat`, if that is given."""

    start: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    repeat: timedelta | None = None

    def world(self) -> World:
        """Make the world it begins with."""
        world = World()
        for change in self.start:
            change.apply(world)
        return world


class Playback:
    """A script being played: gives each step once, when its time has come."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._given = 0

    @property
    def next_at(self) -> timedelta | None:
        """When the next step is due, from the beginning; None if there is none."""
        steps, repeat = self._script.steps, self._script.repeat
        if not steps or (repeat is None and self._given >= len(steps)):
            return None
        played, index = divmod(self._given, len(steps))
        return played * (repeat or _ONCE) + steps[index].at

    def due(self, elapsed: timedelta) -> list[Step]:
        """Return the steps that are due by now and were not given before."""
        steps: list[Step] = []
        while (at := self.next_at) is not None and at <= elapsed:
            steps.append(self._script.steps[self._given % len(self._script.steps)])
            self._given += 1
        return steps


def load_script(path: Path) -> Script:
    """Read a scenario's file.

    Raises:
        ConfigurationError: It can't be read or played; every mistake with its line.
    """
    try:
        return parse_script(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([f"{path}: is not text"]) from None


def parse_script(source_text: str, source: str = "script") -> Script:
    """Read a scenario; `source` is what mistakes call it.

    Raises:
        ConfigurationError: It can't be played; every mistake with its line.
    """
    mistakes = Mistakes(source)
    script = read_form(_mapping(source_text, mistakes), "", mistakes, _script)
    if script is not None:
        _rehearse(script, mistakes)
    mistakes.require_none()
    return script or Script()


def _script(form: Form) -> Script:
    limits = [SetLimit(form.take("rate_limit", limit, None))] if form.has("rate_limit") else []
    steps = sorted(form.each("steps", _step), key=lambda step: step.at)
    repeat = form.take("repeat", duration, _ONCE) if form.has("repeat") else None
    if repeat is not None and (not repeat or (steps and repeat < steps[-1].at)):
        form.wrong("expected a duration that no step lies beyond", "repeat")
    return Script((*limits, *form.each("accounts", read_account)), tuple(steps), repeat)


def _step(form: Form) -> Step | None:
    at, change = form.need("at", duration, _ONCE), read_change(form)
    return None if change is None else Step(at, change, form.line)


def _rehearse(script: Script, mistakes: Mistakes) -> None:
    """Play it once without waiting, twice if it repeats, to find the steps that have nothing to act upon."""
    world = script.world()
    for step in script.steps * (1 if script.repeat is None else 2):
        try:
            step.change.apply(world)
        except LookupError as error:
            mistakes.add(step.line, "", f"at that time there is {error}")
            return


class _Loader(yaml.SafeLoader):
    """Keeps the lines of maps and their names."""


def _located(loader: _Loader, node: yaml.MappingNode) -> Located:
    values = Located()
    values.line = node.start_mark.line + 1
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable) or str(key) in values:
            raise yaml.MarkedYAMLError(problem=f"found {key} twice", problem_mark=key_node.start_mark)
        values.lines[str(key)] = key_node.start_mark.line + 1
        values[str(key)] = loader.construct_object(value_node, deep=True)
    return values


_Loader.add_constructor("tag:yaml.org,2002:map", _located)


def _mapping(source_text: str, mistakes: Mistakes) -> dict[str, Any]:
    try:
        found = yaml.load(source_text, Loader=_Loader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        mistakes.add(mark.line + 1 if mark else 0, "", f"not YAML: {error.problem}")
    except (yaml.YAMLError, ValueError, RecursionError):
        mistakes.add(0, "", "not YAML")
    else:
        if isinstance(found, dict):
            return found
        mistakes.add(1, "", "expected a map with accounts and steps")
    mistakes.require_none()
    return {}
