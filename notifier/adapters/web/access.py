"""Who asks, and whether that is allowed: the token, the page's session, other sites, other names.

Where no token is set, only this machine can ask, and whoever does may do everything; then all there is to be kept out
are other sites in the browser. Where one is set, programs show it in `Authorization: Bearer`, and people once in a
form, for which they get a signed cookie: a session.
"""

import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from itsdangerous import BadSignature, TimestampSigner, URLSafeTimedSerializer
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from notifier.adapters.web.backing import Backing, Rules
from notifier.adapters.web.problems import API, problem
from notifier.adapters.web.public import NotPublicError, PublicInsight
from notifier.insight import Acts, Insight

SESSION = timedelta(hours=12)  # a shift
CSRF_FIELD, CSRF_HEADER = "csrf", "X-CSRF-Token"

_OPEN = {"/livez", "/readyz", "/login", "/logout"}  # to everybody
_OPEN_FOLDERS = ("/static/",)
_UNNAMED = {"/livez", "/readyz"}  # whatever the host is called: init systems and balancers ask there
_SAFE = {"GET", "HEAD", "OPTIONS"}
_FORM = "application/x-www-form-urlencoded"


class Role(StrEnum):
    """What somebody may do."""

    NOBODY = "nobody"  # may log in
    PUBLIC = "public"  # may look, at what everybody may see
    OPERATOR = "operator"  # may look at everything, and act


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks. `insight` is what they may see; `csrf` goes into each form of the page, as the field `csrf`.

    `logged_in` says that there is a session to end.
    """

    role: Role
    insight: Insight
    csrf: str = ""
    logged_in: bool = False

    @property
    def may_act(self) -> bool:
        """Whether they may act."""
        return self.role is Role.OPERATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why somebody was not let in, in a sentence; the answer's status and headers, and where they wanted to go."""

    status: int
    sentence: str
    headers: Mapping[str, str]
    then: str


def asking(request: HTTPConnection) -> Asking:
    """Return who asks."""
    found: Asking = request.scope["asking"]
    return found


def acts(request: HTTPConnection, backing: Backing) -> Acts:
    """Return what lets act, to who may.

    Raises:
        NotPublicError: They may not.
    """
    if not asking(request).may_act:
        raise NotPublicError("only who shows the token may act")
    return backing.acts


class Access:
    """Finds out who asks before anything is answered."""

    def __init__(self, app: ASGIApp, doors: "Doors") -> None:
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        refusal = await self._doors.judge(request)
        await (refusal or self._app)(scope, _again(request, receive), send)


class Doors:
    """Knows the token, the sessions that were signed with it, and who has shown wrong ones."""

    def __init__(self, backing: Backing) -> None:
        self._backing = backing
        self._tries = Tries(backing.acts.now)
        self._public = PublicInsight(backing.insight)

    def visitors(self) -> list[Asking]:
        """Return who may look: operators, and all others where that is allowed."""
        roles = [Role.OPERATOR, *[Role.PUBLIC] * self._rules.public]
        return [Asking(role=role, insight=self._insight(role)) for role in roles]

    async def judge(self, request: Request) -> Response | None:
        """Note in the request who asks; return the answer already if it is refused."""
        path, headers = request.url.path, request.headers
        shown = _bearer(headers)
        if shown is not None and self._rules.token is not None:
            if not self._is_token(shown):
                return self._wrong(path, self._tries.wrong(self._who(request)))
            self._let(request, Role.OPERATOR)  # another site can't make a browser show it
            return None
        if path not in _UNNAMED and not self._is_ours(headers.get("Host")):
            named = "web.url names the address that people use"
            return problem(path, 421, f"found a Host that is not this service's, expected localhost or an IP; {named}")
        session = self._session(request)
        if request.method not in _SAFE:
            if not self._same_site(headers):
                return problem(path, 403, "found a request that another site made, expected this page's own")
            if session is not None and path != "/login" and not await self._meant(request, session):
                return problem(path, 403, f"found no valid {CSRF_HEADER} or field {CSRF_FIELD}; load the page again")
        if self._rules.token is None or session is not None:
            self._let(request, Role.OPERATOR, session)
            return None
        self._let(request, Role.PUBLIC if self._rules.public else Role.NOBODY)
        if path in _OPEN or path.startswith(_OPEN_FOLDERS):
            return None
        if self._rules.public and request.method in _SAFE:
            return None
        return self.ask_in(request)

    def ask_in(self, request: Request) -> Response:
        """Answer that the token has to be shown first: people are sent to the form."""
        path, wants = request.url.path, request.headers.get("Accept", "")
        if path.startswith(API) or request.method not in _SAFE or "text/html" not in wants:
            headers = {"WWW-Authenticate": 'Bearer realm="cni-notifier"'}
            return problem(path, 401, "found no token, expected Authorization: Bearer and web.token", headers=headers)
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/login?next={quote(path + query, safe='/')}", status_code=303)

    def log_in(self, request: Request, shown: str, *, then: str = "/") -> Response | Refused:
        """Let somebody in who shows the token: send them on to `then` with a session; else say why not.

        Who has shown many wrong ones has to wait. Whoever comes from elsewhere has not, nor who was in before.
        """
        who = self._who(request)
        wait = self._tries.wait(who)
        if wait is None and not self._is_token(shown):
            wait = self._tries.wrong(who)
            if wait is None:
                return Refused(status=401, sentence="That is not the token.", headers={}, then=inside(then))
        if wait is not None:
            sentence = f"Too many wrong tokens came from there; try again in {wait} s."
            return Refused(status=429, sentence=sentence, headers={"Retry-After": str(wait)}, then=inside(then))
        answer = RedirectResponse(inside(then), status_code=303)
        answer.set_cookie(
            self._cookie,
            self._sign("session").dumps(secrets.token_urlsafe(16)),
            max_age=int(SESSION.total_seconds()),
            httponly=True,
            secure=self._secure,
            samesite="lax",  # not strict: a link in a message leads to the page
        )
        return answer

    def log_out(self) -> Response:
        """End a session: the browser forgets it."""
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(self._cookie, httponly=True, secure=self._secure, samesite="lax")
        return answer

    @property
    def _rules(self) -> Rules:
        return self._backing.rules

    @property
    def _secure(self) -> bool:
        return (self._rules.url or "").startswith("https:")

    @property
    def _cookie(self) -> str:
        return "__Host-notifier" if self._secure else "notifier"

    def _let(self, request: Request, role: Role, session: str | None = None) -> None:
        csrf = "" if session is None else str(self._sign("csrf").dumps(session))
        asks = Asking(role=role, insight=self._insight(role), csrf=csrf, logged_in=session is not None)
        request.scope["asking"] = asks

    def _insight(self, role: Role) -> Insight:
        return self._backing.insight if role is Role.OPERATOR else self._public

    def _is_token(self, shown: str) -> bool:
        expected = self._rules.token or ""
        digests = (sha256(text.encode(errors="surrogateescape")).digest() for text in (shown, expected))
        return bool(expected) and hmac.compare_digest(*digests)

    def _wrong(self, path: str, wait: int | None) -> Response:
        if wait is not None:
            text = "found a wrong token once more; wait before the next"
            return problem(path, 429, text, headers={"Retry-After": str(wait)})
        headers = {"WWW-Authenticate": 'Bearer realm="cni-notifier", error="invalid_token"'}
        return problem(path, 401, "found a token that is not web.token", headers=headers)

    def _sign(self, what: str) -> URLSafeTimedSerializer:
        """Sign with the token: all replicas take it, and another token ends every session."""
        return URLSafeTimedSerializer(
            self._rules.token or secrets.token_urlsafe(),
            salt=f"notifier.{what}",
            signer=_Signer,
            signer_kwargs={"digest_method": sha256, "now": self._backing.acts.now},
        )

    def _read(self, what: str, signed: str, lasts: timedelta | None) -> str | None:
        seconds = None if lasts is None else int(lasts.total_seconds())
        try:
            return str(self._sign(what).loads(signed, max_age=seconds))
        except BadSignature:
            return None

    def _session(self, request: Request, lasts: timedelta | None = SESSION) -> str | None:
        signed = request.cookies.get(self._cookie)
        return None if signed is None or self._rules.token is None else self._read("session", signed, lasts)

    def _who(self, request: Request) -> str:
        """Tell apart who tries: by the session they once had, so that nobody can lock them out; else by address."""
        had = self._session(request, lasts=None)
        return had or _network(request.client.host if request.client else "")

    def _is_ours(self, host: str | None) -> bool:
        """Whether it is a name of this service; one of another site, led here by its own DNS, is none.

        No such trick works with an address.
        """
        if host is None:
            return True
        name = _host(host)
        return name in {"localhost", urlsplit(self._rules.url or "").hostname} or _is_ip(name)

    def _same_site(self, headers: Headers) -> bool:
        """Whether no other site made the browser ask; programs say neither."""
        if (site := headers.get("Sec-Fetch-Site")) is not None:
            return site in {"same-origin", "none"}
        origin = headers.get("Origin")
        own = {headers.get("Host"), urlsplit(self._rules.url or "").netloc}
        return origin is None or (origin != "null" and urlsplit(origin).netloc in own)

    async def _meant(self, request: Request, session: str) -> bool:
        """Whether the page that was given to this session asks."""
        shown = request.headers.get(CSRF_HEADER)
        if shown is None and request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == _FORM:
            fields = parse_qs((await request.body()).decode(errors="replace"), max_num_fields=100)
            shown = fields.get(CSRF_FIELD, [None])[0]
        return shown is not None and self._read("csrf", shown, SESSION) == session


class Tries:
    """Counts wrong tokens by who showed them: ten, and one more each six seconds.

    It remembers so many at most; who is forgotten may try again.
    """

    _MANY, _AT_ONCE, _EVERY = 1000, 10, timedelta(seconds=6)

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._even: OrderedDict[str, datetime] = OrderedDict()  # when all that was tried will be forgiven

    def wait(self, who: str) -> int | None:
        """Return for how many seconds they have to wait; None if they have not."""
        ahead = self._even.get(who, self._now()) - self._now() - (self._AT_ONCE - 1) * self._EVERY
        return None if ahead <= timedelta() else -(-ahead // timedelta(seconds=1))

    def wrong(self, who: str) -> int | None:
        """Count one; return for how many seconds they have to wait, if that was one too many. Those don't count."""
        if (wait := self.wait(who)) is not None:
            return wait
        self._even[who] = max(self._even.pop(who, self._now()), self._now()) + self._EVERY
        if len(self._even) > self._MANY:
            self._even.popitem(last=False)
        return None


class _Signer(TimestampSigner):
    def __init__(self, *given: Any, now: Callable[[], datetime], **more: Any) -> None:
        super().__init__(*given, **more)
        self._now = now

    def get_timestamp(self) -> int:
        return int(self._now().timestamp())


def _again(request: Request, receive: Receive) -> Receive:
    """Hand a body that was looked at to who answers."""
    body = getattr(request, "_body", None)
    if body is None:
        return receive
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Any:
        return messages.pop() if messages else await receive()

    return replay


def _bearer(headers: Headers) -> str | None:
    scheme, _, shown = headers.get("Authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else None


def _host(header: str) -> str:
    found = re.fullmatch(r"\[(?P<six>[^]]*)](?::[0-9]*)?|(?P<name>[^:]*)(?::[0-9]*)?", header.strip().lower())
    return "" if found is None else found["six"] or (found["name"] or "").rstrip(".")


def _is_ip(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _network(address: str) -> str:
    """Name who may be behind an address: whoever has one of IPv6 has a whole network of them."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(int(ip) >> 64) if isinstance(ip, IPv6Address) and ip.ipv4_mapped is None else str(ip)


def inside(then: str) -> str:
    """Send nobody to another site."""
    return then if re.fullmatch(r"/(?![/\\])[^\x00-\x20\\]*", then) else "/"
