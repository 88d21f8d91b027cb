"""Words that tests share: a voice, a site's members, what is told of a sequence of observations."""

from notifier.domain.notification import Notification
from notifier.domain.site import Member, Site
from notifier.domain.words import Voice, tell_transition
from tests.support.examples import ACCOUNT, LINK, run

VOICE = Voice(account=ACCOUNT, name="production")
DOWN = Member(name=LINK.name, status="Down", problem=True, reason="Light level too low")
UP = Member(name="icon-ams-02", status="Healthy", problem=False)


def site(*members: Member) -> Site:
    return Site(account=ACCOUNT, name="ams-a", members=members)


def told(words: str, voice: Voice = VOICE) -> list[Notification]:
    """Return what is told of `icon-ams-01` after these observations, 15 s apart."""
    every = [tell_transition(d.transition, LINK, voice) for d in run(words) if d.transition is not None]
    return [n for n in every if n is not None]
