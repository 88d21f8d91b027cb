"""Templates and static files: read once, from the package."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from notifier.adapters.web.page.bars import CHOICES
from notifier.adapters.web.page.views import Look
from notifier.domain.duration import format_duration

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_LETTERS = 12  # of a hash: enough to tell two files apart


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that is never changed: what changes gets another name."""

    name: str
    media_type: str
    content: bytes


class StaticFiles:
    """The files that pages load, by the name that they have in pages."""

    def __init__(self) -> None:
        self._by_name: dict[str, StaticFile] = {}
        self._names: dict[str, str] = {}
        for path in sorted((_HERE / "static").iterdir()):
            if path.suffix in _TYPES:
                content = path.read_bytes()
                name = f"{path.stem}-{hashlib.sha256(content).hexdigest()[:_LETTERS]}{path.suffix}"
                self._by_name[name] = StaticFile(name, _TYPES[path.suffix], content)
                self._names[path.name] = name

    def href(self, file: str) -> str:
        """Return where a file is found."""
        return f"/static/{self._names[file]}"

    def get(self, name: str) -> StaticFile | None:
        """Return a file by the name that pages have for it."""
        return self._by_name.get(name)


class Pages:
    """Renders templates; whatever they are given is escaped."""

    def __init__(self, static: StaticFiles) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            auto_reload=False,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(iso=_iso, exact=_exact, utc=_utc, span=format_duration, ident=_ident)
        self._environment.globals.update(
            static=static.href,
            all_choices=tuple(CHOICES.values()),
            blind_look=Look("blind", "blind", "not seen"),
            trouble_look=Look("unhealthy", "warn", "trouble"),
        )
        for template in self._environment.list_templates(extensions=("html",)):
            self._environment.get_template(template)  # compiled now: no visitor, and no poll, is to wait for it

    def render(self, template: str, /, **values: Any) -> str:
        """Fill a template in."""
        return self._environment.get_template(template).render(**values)


def _iso(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _exact(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _ident(text: str) -> str:
    """Make what can be an element's id of any text, the same for the same text."""
    return hashlib.sha256(text.encode()).hexdigest()[:_LETTERS]
