"""Changes as people write them, in a script's YAML or in JSON over HTTP."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from notifier.simulator import faults
from notifier.simulator.changes import (
    Change,
    Choice,
    Heal,
    PutAccount,
    PutFault,
    PutLinks,
    Remove,
    SetLimit,
    SetState,
)
from notifier.simulator.faults import Fault
from notifier.simulator.form import (
    Form,
    Mistakes,
    anything,
    duration,
    flag,
    limit,
    one_of,
    read_form,
    text,
    text_or_null,
    text_or_number,
    texts,
    texts_by_name,
    whole,
)
from notifier.simulator.world import Details, LastPage

_SECOND = timedelta(seconds=1)
_COUNT, _SIZE, _STATUS = whole(1, 1_000_000), whole(1, 100_000_000), whole(200, 599)


def read_changes(value: Any) -> list[Change]:
    """Read one change, or a list of them.

    Raises:
        ConfigurationError: Something is wrong with them; all of it at once.
    """
    mistakes = Mistakes()
    entries = value if isinstance(value, list) else [value]
    changes = read_form({"changes": entries}, "", mistakes, lambda form: form.each("changes", read_change))
    mistakes.require_none()
    return changes or []


def read_change(form: Form) -> Change | None:
    """Read a map with one verb, such as `set: {link: icon-ams-01, state: Down}`."""
    given = [verb for verb in _VERBS if form.has(verb)]
    if len(given) != 1:
        form.wrong(f"found {' and '.join(given) or 'nothing to do'}, expected one of {', '.join(_VERBS)}")
        return None
    return _VERBS[given[0]](form, given[0])


def read_account(form: Form) -> PutAccount:
    """Read an account and its links."""
    name = form.need("id", text, "")
    token, email, key = (form.take(name, text_or_null, None) for name in ("token", "email", "key"))
    if (email is None) != (key is None):
        form.wrong("found one of email and key, expected both")
    return PutAccount(
        id=name,
        token=token,
        email=email,
        key=key,
        page_size=form.take("page_size", _COUNT, 0) or None,
        last_page=form.take("last_page", one_of(LastPage), LastPage.NULL) if form.has("last_page") else None,
        links=tuple(form.each("links", lambda link: _links(link, name))),
    )


def _links(form: Form, account: str | None) -> PutLinks:
    name, number = form.need("name", text, ""), form.take("count", _COUNT, 1)
    if name and ("{n}" in name) != form.has("count"):
        form.wrong("found one of count and {n}, expected both or neither", "name")
    sites = form.take("site", texts, ())
    if len(sites) > number:
        form.wrong(f"found {len(sites)} sites for {number} links, expected no more sites than links", "site")
    return PutLinks(
        name=name,
        account=account,
        count=number,
        sites=sites,
        details=_details(form),
        state=form.take("state", text_or_null, None),
        reason=form.take("reason", text_or_null, None),
    )


def _details(form: Form) -> Details:
    details: Details = {}
    if form.has("facility"):
        details["facility"] = form.take("facility", text, "")
    if form.has("speed"):
        details["speed"] = form.take("speed", text, "")
    if form.has("type"):
        details["type"] = form.take("type", text, "")
    if form.has("region"):
        details["region"] = form.take("region", text, "")
    if form.has("reservation"):
        details["reservation"] = form.take("reservation", text_or_null, None)
    return details


def _choice(form: Form) -> Choice:
    return Choice(
        account=form.take("account", text_or_null, None),
        link=form.take("link", text_or_null, None),
        site=form.take("site", text_or_null, None),
    )


def _state(form: Form) -> SetState:
    return SetState(_choice(form), form.need("state", text, ""), form.take("reason", text_or_null, None))


def _fault(form: Form) -> PutFault:
    kind = form.need("kind", text, "")
    return PutFault(
        choice=_choice(form),
        listing=form.take("listing", flag, default=False),
        times=form.take("times", _COUNT, 0) or None,
        fault=_described_fault(form, kind),
    )


def _described_fault(form: Form, kind: str) -> Fault:
    match kind:
        case "rate_limited":
            return faults.rate_limited(form.take("retry_after", text_or_number, None))
        case "server_error":
            return faults.server_error(form.take("status", _STATUS, 500))
        case "latency":
            return faults.latency(form.need("delay", duration, _SECOND))
        case "drip":
            return faults.drip(form.take("pause", duration, _SECOND / 10))
        case "oversized":
            return faults.oversized(form.take("bytes", _SIZE, 10_000_000))
        case "redirect":
            return faults.redirect(form.need("to", text, ""), form.take("status", _STATUS, 302))
        case "answer":
            headers = form.take("headers", texts_by_name, {})
            return faults.answering(form.take("body", anything, ""), form.take("status", _STATUS, 200), **headers)
        case _ if kind in faults.PLAIN:
            return faults.PLAIN[kind]
        case _:
            if kind:
                form.wrong(f"found {kind}, expected one of {', '.join(sorted(_KINDS))}", "kind")
            return faults.RESET


_KINDS = {*faults.PLAIN, "rate_limited", "server_error", "latency", "drip", "oversized", "redirect", "answer"}


def _heal(form: Form) -> Heal:
    return Heal(choice=_choice(form), listing=form.take("listing", flag, default=False))


def _remove(form: Form) -> Remove:
    choice = _choice(form)
    if choice == Choice():
        form.wrong("missing; expected account, link or site")
    return Remove(choice)


def _link(form: Form) -> PutLinks:
    return _links(form, form.take("account", text_or_null, None))


def _inside(read: Callable[[Form], Change]) -> Callable[[Form, str], Change | None]:
    return lambda form, verb: form.inside(verb, read)


_VERBS: dict[str, Callable[[Form, str], Change | None]] = {
    "account": _inside(read_account),
    "link": _inside(_link),
    "set": _inside(_state),
    "fault": _inside(_fault),
    "heal": _inside(_heal),
    "remove": _inside(_remove),
    "rate_limit": lambda form, verb: SetLimit(form.take(verb, limit, None)),
}
