"""Every other service that Apprise speaks to, through Apprise."""

import re
from http import HTTPStatus

from apprise import NotifyBase, NotifyFormat

from notifier.adapters.channels.answers import brief, judge_status
from notifier.adapters.channels.deadline import DEADLINE_S, deadline
from notifier.adapters.channels.muted import listening
from notifier.adapters.channels.secrets import Hide
from notifier.adapters.channels.text import notify_type, one_line, plain
from notifier.adapters.channels.threads import Threads
from notifier.ports import Accepted, Answer, Message, TryAgain


class OtherChannel:
    """The `Channel` port over an Apprise plugin, which says no more than whether it worked, and logs why."""

    stateful = False
    bundles = True

    def __init__(self, name: str, plugin: NotifyBase, hide: Hide) -> None:
        self.name = name
        self._plugin = plugin
        self._who = str(plugin.service_name)
        self._hide = hide
        self._threads = Threads[Answer]()

    async def send(self, message: Message) -> Answer:
        """Send one message."""
        try:
            async with deadline():
                return await self._threads.run(lambda: self._notify(message))
        except TimeoutError:
            return TryAgain(cause=f"{self._who} did not answer within {DEADLINE_S}s")

    async def close(self) -> None:
        """Nothing is kept open."""

    def _notify(self, message: Message) -> Answer:
        told = message.notification
        with listening() as heard:
            try:
                taken = self._plugin.notify(
                    title=one_line(told.title),
                    body=plain(message),
                    notify_type=notify_type(told.severity),
                    body_format=NotifyFormat.TEXT,
                )
            except Exception as error:  # noqa: BLE001 - a plugin raises what its vendor does, secrets included
                return TryAgain(cause=f"{self._who}: {type(error).__name__}")
        return Accepted() if taken else self._failure(" ".join(heard))

    def _failure(self, words: str) -> Answer:
        said = brief(self._hide(words))
        code = re.search(r"\berror=(\d{3})\b", words)
        if code and int(code[1]) >= HTTPStatus.MULTIPLE_CHOICES:
            return judge_status(int(code[1]), self._who)
        return TryAgain(cause=f"{self._who} did not take it" + (f": {said}" if said else ""))
