"""The simulated API on a socket: asks the world, acts the faults out, keeps nothing itself."""

import asyncio
import logging
import socket
import struct
import time
from types import TracebackType
from typing import Self

from aiohttp import web

from notifier.simulator import answers, control
from notifier.simulator.answers import Answer
from notifier.simulator.asking import ask
from notifier.simulator.faults import Fault, Manner
from notifier.simulator.journal import Journal
from notifier.simulator.script import Playback, Script, Step
from notifier.simulator.world import Account, World

_log = logging.getLogger(__name__)

_LINGER = struct.pack("ii", 1, 0)  # closing discards what is unsent and resets the connection
_PATIENCE = 0.1  # seconds for answers in flight when it stops


class Simulator:
    """A simulated Cloudflare API under `/client/v4`, with its controls under `/control`."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self._runner: web.ServerRunner | None = None
        self.address = ""

    @property
    def url(self) -> str:
        """The API's base, which clients are given."""
        return f"http://{self.address}/client/v4"

    @property
    def control_url(self) -> str:
        """Where it is controlled."""
        return f"http://{self.address}/control"

    @property
    def requests(self) -> Journal:
        """What was asked."""
        return self.world.requests

    def account(
        self, account_id: str, *, token: str | None = None, email: str | None = None, key: str | None = None
    ) -> Account:
        """Return the account of this id (see `World.account`)."""
        return self.world.account(account_id, token=token, email=email, key=key)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 picks a free one. OSError if the address can't be had."""
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=_PATIENCE)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self.stop()
            raise
        bound = self._runner.addresses[0]
        self.address = f"[{bound[0]}]:{bound[1]}" if ":" in bound[0] else f"{bound[0]}:{bound[1]}"

    async def stop(self) -> None:
        """Stop listening, and break off what is still being answered."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def play(self, script: Script) -> None:
        """Let a script's steps happen, each at its time from now; returns after the last one."""
        playback, began = Playback(script), time.monotonic()
        while (at := playback.next_at) is not None:
            await asyncio.sleep(max(0.0, began + at.total_seconds() - time.monotonic()))
            for step in playback.due(at):
                self._take(step)

    def _take(self, step: Step) -> None:
        try:
            step.change.apply(self.world)
        except LookupError as error:  # the controls have changed the world meanwhile
            _log.warning("step without effect", extra={"fields": {"line": step.line, "cause": str(error)}})

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        target = request.raw_path
        if target.startswith("/control"):
            return await control.handle(self.world, request)
        if request.method != "GET":
            return _whole(answers.NOT_ALLOWED)
        answer, fault = ask(self.world, target, request.headers, time.monotonic(), self.address)
        return _whole(answer) if fault is None else await _acted_out(request, answer, fault)


def _whole(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


async def _acted_out(request: web.BaseRequest, answer: Answer, fault: Fault) -> web.StreamResponse:
    await asyncio.sleep(fault.delay.total_seconds())
    match fault.manner:
        case Manner.WHOLE:
            return _whole(answer)
        case Manner.DRIP:
            return await _dripping(request, answer, fault.pause.total_seconds())
        case Manner.BROKEN_OFF:
            return await _broken_off(request, answer)
        case Manner.RESET:
            return _reset(request)
        case Manner.HANG:
            await asyncio.get_running_loop().create_future()  # until the client hangs up, or we stop
            raise AssertionError


async def _begun(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    return response


async def _dripping(request: web.BaseRequest, answer: Answer, pause_s: float) -> web.StreamResponse:
    response = await _begun(request, answer)
    for byte in answer.body:
        await response.write(bytes([byte]))
        await asyncio.sleep(pause_s)
    return response


async def _broken_off(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    response = await _begun(request, answer)
    await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        request.transport.abort()
    return web.Response()
