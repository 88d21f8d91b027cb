"""A year on record on PostgreSQL, made by the server itself: what takes the pipeline a year takes it a minute."""

from datetime import UTC, datetime, timedelta

import asyncpg

BEGIN = datetime(2025, 11, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
_PATIENCE_S = 1800

# Four links a site. Each is Healthy at first, then down for five minutes at even distances, all at times of their own;
# has a gap of ten minutes each four days; and was told of within 17 s.
_FILL = """
INSERT INTO interconnects (account, name, site, watched, listed_at, missing)
SELECT 'account-' || l / 4 % 2, 'icon-' || lpad(l::text, 5, '0'), 'site-' || lpad((l / 4)::text, 4, '0'), true, {end}, 0
FROM generate_series(0, {links} - 1) l;

INSERT INTO states (account, name, status, since, was_healthy, number, incidents, observed_at, last_seen_at,
                    failed_polls, blind, version)
SELECT account, name, 'Healthy', {begin}, true, {moves}, {moves} / 2, {end}, {end}, 0, false, 1 FROM interconnects;

INSERT INTO transitions (account, name, number, change, before, after, last_seen_before, first_seen_at, confirmed_at,
                         sightings, unobserved, incident)
SELECT account, name, n,
       CASE WHEN n = 1 THEN 'baseline' WHEN n % 2 = 0 THEN 'problem' ELSE 'recovered' END,
       CASE WHEN n = 1 THEN NULL WHEN n % 2 = 0 THEN 'Healthy' ELSE 'Down' END,
       CASE WHEN n % 2 = 0 THEN 'Down' ELSE 'Healthy' END,
       at - interval '60 s', at, at + interval '15 s', 2, false, CASE WHEN n > 1 THEN n / 2 END
FROM (SELECT account, name, n,
             CASE WHEN n = 1 THEN {begin} ELSE {begin} + (n / 2) * {apart} + (n % 2) * interval '5 min'
                  + right(name, 3)::int * interval '7 s' END AS at
      FROM generate_series(1, {moves}) n CROSS JOIN interconnects) moves
ORDER BY at;

INSERT INTO incidents (kind, account, subject, number, key, severity, opened_at, closed_at)
SELECT 'interconnect', account, name, incident, 'cni:' || account || ':' || name || ':' || incident, 'critical',
       first_seen_at, first_seen_at + interval '5 min'
FROM transitions WHERE change = 'problem' ORDER BY first_seen_at;

INSERT INTO notifications (kind, account, subject, incident_key, content, recorded_at)
SELECT change, account, name, 'cni:' || account || ':' || name || ':' || incident, '{{}}', confirmed_at
FROM transitions WHERE incident IS NOT NULL AND confirmed_at >= {told} ORDER BY confirmed_at;

INSERT INTO deliveries (notification, channel, lane, action, urgency, outcome, attempts, due_at, give_up_at, settled_at)
SELECT id, 'noc', subject, 'tell', 0, 'sent', 1, recorded_at, recorded_at, recorded_at + interval '2 s'
FROM notifications;

INSERT INTO gaps (account, name, from_at, until_at)
SELECT account, name, {begin} + n * interval '4 d', {begin} + n * interval '4 d' + interval '10 min'
FROM generate_series(1, 90) n CROSS JOIN interconnects;

INSERT INTO observations (account, name, at, status)
SELECT account, name, {begin} + n * ({end} - {begin}) / {seen}, 'Down'
FROM generate_series(1, {seen}) n CROSS JOIN interconnects;

ANALYZE
"""


async def fill(url: str, *, links: int, transitions: int, observations: int, told: timedelta) -> None:
    """Put a year from BEGIN on record; what was told is kept for so long before its end."""
    moves = transitions // links
    script = _FILL.format(
        links=links,
        moves=moves,
        seen=observations // links,
        begin=_literal(BEGIN),
        end=_literal(BEGIN + YEAR),
        told=_literal(BEGIN + YEAR - told),
        apart=f"interval '{YEAR.total_seconds() / (moves // 2 + 1)} s'",
    )
    conn = await asyncpg.connect(url, command_timeout=_PATIENCE_S)
    try:
        for statement in script.split(";\n"):
            await conn.execute(statement)
    finally:
        await conn.close()


def _literal(at: datetime) -> str:
    return f"timestamptz '{at.isoformat()}'"
