"""How a request is answered: route, right, limit, fault, truth, in this order. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from notifier.simulator import answers
from notifier.simulator.answers import Answer, encoded, envelope
from notifier.simulator.faults import Fault, Faults
from notifier.simulator.journal import Asked, Request
from notifier.simulator.limit import Allowance
from notifier.simulator.world import ACCOUNT_TOKEN, Account, World

ROOT = "/client/v4/"


class Reply(NamedTuple):
    """An answer, and the fault that has yet to be acted out while sending it."""

    answer: Answer
    fault: Fault | None = None


class _Question(NamedTuple):
    """What is asked for; a question about a user's own token names no account."""

    path: str
    query: str
    headers: Mapping[str, str]
    asked: Asked = Asked.ELSE
    account: str | None = None
    link: str | None = None


def ask(world: World, target: str, headers: Mapping[str, str], now: float, door: str = "") -> Reply:
    """Answer a GET for `target`, the path and query as they came over the wire to `door`, at `now` (seconds)."""
    question = _question(target, headers)
    account = _account(world, question)
    reply = Reply(_nowhere(question)) if account is None else _admitted(world, account, question, now)
    status = reply.answer.status if reply.fault is None or reply.fault.is_answered else None
    known = None if account is None else account.id
    state = None if account is None else _told(account, question, reply)
    world.requests.add(Request(now, question.asked, known, question.link, status, state, door))
    return reply


def _told(account: Account, question: _Question, reply: Reply) -> str | None:
    if question.asked is not Asked.STATUS or reply.fault is not None or reply.answer.status != HTTPStatus.OK:
        return None
    return account.links[question.link or ""].state


def _question(target: str, headers: Mapping[str, str]) -> _Question:
    path, _, query = target.partition("?")
    parts = path.removeprefix(ROOT).split("/") if path.startswith(ROOT) else []
    if "%" in path:
        parts = [unquote(part) for part in parts]
    match parts:
        case ["accounts", account, "cni", "interconnects", link, "status"]:
            return _Question(path, query, headers, Asked.STATUS, account, link)
        case ["accounts", account, "cni", "interconnects"]:
            return _Question(path, query, headers, Asked.LISTING, account)
        case ["accounts", account, "cni", "interconnects", link]:
            return _Question(path, query, headers, Asked.LINK, account, link)
        case ["accounts", account, "tokens", "verify"]:
            return _Question(path, query, headers, Asked.VERIFY, account)
        case ["user", "tokens", "verify"]:
            return _Question(path, query, headers, Asked.VERIFY)
        case _:
            return _Question(path, query, headers)


def _account(world: World, question: _Question) -> Account | None:
    if question.account is not None:
        return world.accounts.get(question.account)
    if question.asked is Asked.VERIFY:
        return next((a for a in world.accounts.values() if a.credential(question.headers) is not None), None)
    return None


def _nowhere(question: _Question) -> Answer:
    own_token = question.asked is Asked.VERIFY and question.account is None
    return answers.INVALID_TOKEN if own_token else answers.no_route(question.path)


def _admitted(world: World, account: Account, question: _Question, now: float) -> Reply:
    credential = account.credential(question.headers)
    if credential is None:
        return Reply(answers.INVALID_TOKEN if question.asked is Asked.VERIFY else answers.FORBIDDEN)
    if world.limit is None:
        return _spoiled(account, question)
    allowed, told = world.allowances.setdefault(credential, Allowance()).take(world.limit, now)
    answer, fault = _spoiled(account, question) if allowed else Reply(answers.TOO_MANY)
    return Reply(replace(answer, headers={**told, **answer.headers}), fault)


def _spoiled(account: Account, question: _Question) -> Reply:
    truth, faults = _truth(account, question)
    fault = account.faults.take() or (faults and faults.take())
    return Reply(fault.spoil(truth), fault) if fault else Reply(truth)


def _truth(account: Account, question: _Question) -> tuple[Answer, Faults | None]:
    """Return the true answer, and the faults of what it is about."""
    match question.asked:
        case Asked.LISTING:
            return account.page(dict(parse_qsl(question.query))), account.listing
        case Asked.VERIFY:
            return _verified(question), None
        case _:
            link = account.links.get(question.link or "")
            if link is None:
                return answers.NOT_FOUND, None
            return (link.status if question.asked is Asked.STATUS else link.item), link.faults


def _verified(question: _Question) -> Answer:
    """An account's token is verified at the account, a user's at the user; a key nowhere."""
    token = question.headers.get("Authorization", "").removeprefix("Bearer ")
    if not token:
        return answers.MISSING_HEADER
    if token.startswith(ACCOUNT_TOKEN) != (question.account is not None):
        return answers.INVALID_TOKEN
    message = {"code": 10000, "message": "This API Token is valid and active", "type": None}
    return envelope(encoded({"id": "6247ac8d9c10ba11154a2b82d35953b7", "status": "active"}), message)
