"""How a request is answered: route, right, limit, fault, truth, in this order. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from notifier.simulator import answers
from notifier.simulator.answers import Answer, encoded, envelope
from notifier.simulator.faults import Fault
from notifier.simulator.journal import Asked, Request
from notifier.simulator.limit import Allowance
from notifier.simulator.world import ACCOUNT_TOKEN, Account, World

ROOT = "/client/v4/"


class Reply(NamedTuple):
    """An answer, and the fault that has yet to be acted out while sending it."""

    answer: Answer
    fault: Fault | None = None


class _Question(NamedTuple):
    """What a path asks for; a user's own token is of no account."""

    asked: Asked
    account: str | None = None
    link: str | None = None


def ask(world: World, target: str, headers: Mapping[str, str], now: float) -> Reply:
    """Answer a GET for `target`, the path and query as they came over the wire, at `now` (seconds)."""
    path, _, query = target.partition("?")
    question = _question(path)
    account = _account(world, question, headers)
    reply = _refused(question, path) if account is None else _reply(world, account, question, query, headers, now)
    status = reply.answer.status if reply.fault is None or reply.fault.answers else None
    known = None if account is None else account.id
    world.requests.add(Request(now, question.asked, known, question.link, status))
    return reply


def _question(path: str) -> _Question:
    parts = path.removeprefix(ROOT).split("/") if path.startswith(ROOT) else []
    if "%" in path:
        parts = [unquote(part) for part in parts]
    match parts:
        case ["accounts", account, "cni", "interconnects", link, "status"]:
            return _Question(Asked.STATUS, account, link)
        case ["accounts", account, "cni", "interconnects"]:
            return _Question(Asked.LISTING, account)
        case ["accounts", account, "cni", "interconnects", link]:
            return _Question(Asked.LINK, account, link)
        case ["accounts", account, "tokens", "verify"]:
            return _Question(Asked.VERIFY, account)
        case ["user", "tokens", "verify"]:
            return _Question(Asked.VERIFY)
        case _:
            return _Question(Asked.ELSE)


def _account(world: World, question: _Question, headers: Mapping[str, str]) -> Account | None:
    if question.account is not None:
        return world.accounts.get(question.account)
    if question.asked is Asked.VERIFY:
        return next((a for a in world.accounts.values() if a.credential(headers) is not None), None)
    return None


def _refused(question: _Question, path: str) -> Reply:
    own_token = question.asked is Asked.VERIFY and question.account is None
    return Reply(answers.INVALID_TOKEN if own_token else answers.no_route(path))


def _reply(
    world: World, account: Account, question: _Question, query: str, headers: Mapping[str, str], now: float
) -> Reply:
    credential = account.credential(headers)
    if credential is None:
        return Reply(answers.INVALID_TOKEN if question.asked is Asked.VERIFY else answers.FORBIDDEN)
    if world.limit is None:
        return _faulty(account, question, query, headers)
    allowed, told = world.allowances.setdefault(credential, Allowance()).take(world.limit, now)
    reply = _faulty(account, question, query, headers) if allowed else Reply(answers.TOO_MANY)
    return Reply(replace(reply.answer, headers={**told, **reply.answer.headers}), reply.fault)


def _faulty(account: Account, question: _Question, query: str, headers: Mapping[str, str]) -> Reply:
    truth, fault = _truth(account, question, query, headers)
    return Reply(truth) if fault is None else Reply(fault.spoil(truth), fault)


def _truth(
    account: Account, question: _Question, query: str, headers: Mapping[str, str]
) -> tuple[Answer, Fault | None]:
    fault = account.faults.take()
    match question.asked:
        case Asked.LISTING:
            return account.page(dict(parse_qsl(query))), fault or account.listing.take()
        case Asked.VERIFY:
            return _verified(question, headers), fault
        case _:
            link = account.links.get(question.link or "")
            if link is None:
                return answers.NOT_FOUND, fault
            truth = link.status if question.asked is Asked.STATUS else link.item
            return truth, fault or link.faults.take()


def _verified(question: _Question, headers: Mapping[str, str]) -> Answer:
    """An account's token is verified at the account, a user's at the user; a key nowhere."""
    token = headers.get("Authorization", "").removeprefix("Bearer ")
    if not token:
        return answers.MISSING_HEADER
    if token.startswith(ACCOUNT_TOKEN) != (question.account is not None):
        return answers.INVALID_TOKEN
    message = {"code": 10000, "message": "This API Token is valid and active", "type": None}
    return envelope(encoded({"id": "6247ac8d9c10ba11154a2b82d35953b7", "status": "active"}), message)
