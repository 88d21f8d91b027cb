"""In which words everything is told. Plain text: channels do the markup."""

from notifier.domain.words.drills import describe_late, tell_drill, tell_drill_failed, tell_drill_passed
from notifier.domain.words.links import (
    tell_calm,
    tell_calm_recovery,
    tell_flapping,
    tell_removed,
    tell_returned,
    tell_transition,
)
from notifier.domain.words.repeats import retold, tell_reminder
from notifier.domain.words.sight import tell_blind, tell_seen_again
from notifier.domain.words.sites import tell_site_back, tell_site_lost
from notifier.domain.words.troubles import (
    describe,
    tell_audit_failed,
    tell_audit_passed,
    tell_audit_worse,
    tell_channel_failed,
    tell_channel_works,
    tell_objective_dropped,
    tell_objective_met,
    tell_objective_missed,
    tell_stranded,
)
from notifier.domain.words.voice import Voice

__all__ = [
    "Voice",
    "describe",
    "describe_late",
    "retold",
    "tell_audit_failed",
    "tell_audit_passed",
    "tell_audit_worse",
    "tell_blind",
    "tell_calm",
    "tell_calm_recovery",
    "tell_channel_failed",
    "tell_channel_works",
    "tell_drill",
    "tell_drill_failed",
    "tell_drill_passed",
    "tell_flapping",
    "tell_objective_dropped",
    "tell_objective_met",
    "tell_objective_missed",
    "tell_reminder",
    "tell_removed",
    "tell_returned",
    "tell_seen_again",
    "tell_site_back",
    "tell_site_lost",
    "tell_stranded",
    "tell_transition",
]
