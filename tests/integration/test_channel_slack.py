"""Slack, by webhook and bot, at its own addresses."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from notifier.ports import Accepted, Refused, TryAgain
from tests.support.messages import KEY, TELL, TELL_LATE, hostile, opened
from tests.support.receivers import SLACK, SLACK_BOT, FixedHosts, Say

WEBHOOK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"
BOT = "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/"


async def test_a_webhook_gets_a_readable_post(fixed_hosts: FixedHosts) -> None:
    async with opened(WEBHOOK) as channel:
        assert not channel.stateful
        assert await channel.send(TELL_LATE) == Accepted(code=200)
    (request,) = fixed_hosts.to(SLACK)
    assert request.path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    post = request.json
    assert post["text"] == "[production] icon-ams-01 is Down (was Healthy) #42"
    (attachment,) = post["attachments"]
    assert attachment == {
        "color": "#A32037",
        "text": 'icon-ams-01 changed from Healthy to Down.\nCloudflare says: "Port down"',
        "fields": [
            {"title": "Speed", "value": "10G", "short": True},
            {"title": "Sightings", "value": "2", "short": True},
            {"title": "Redundant", "value": "False", "short": True},
        ],
        "footer": f"observed 03:12:04Z, late by 8m07s · Incident: {KEY}",
        "ts": 1795403524,
        "mrkdwn_in": [],
    }


@pytest.mark.parametrize("url", [WEBHOOK, BOT])
async def test_hostile_text_pings_nobody(fixed_hosts: FixedHosts, url: str) -> None:
    async with opened(url) as channel:
        await channel.send(hostile("<!channel> <@U1> <!subteam^S1|x> <https://evil.test|click> & &lt;!here&gt;"))
    body = json.dumps(fixed_hosts.requests[0].json, ensure_ascii=False)
    assert "&lt;!channel&gt; &lt;@U1&gt;" in body
    assert "&amp;lt;!here&amp;gt;" in body
    assert "<" not in body
    assert ">" not in body
    assert fixed_hosts.requests[0].json["mrkdwn"] is False


async def test_long_text_is_cut_without_breaking_an_escape(fixed_hosts: FixedHosts) -> None:
    message = replace(TELL, notification=replace(TELL.notification, lead="<" * 10_000))
    async with opened(WEBHOOK) as channel:
        await channel.send(message)
    assert fixed_hosts.requests[0].json["attachments"][0]["text"] == "&lt;" * 3000


async def test_a_bot_posts_to_each_of_its_channels(fixed_hosts: FixedHosts) -> None:
    async with opened(f"{BOT}%23noc/+C0123/%40anna/ops:1573694689.0037") as channel:
        assert await channel.send(TELL) == Accepted(code=200, receipt="1573694689.003700")
    posts = fixed_hosts.to(SLACK_BOT)
    assert {post.path for post in posts} == {"/api/chat.postMessage"}
    assert {post.headers["Authorization"] for post in posts} == {f"Bearer {BOT[8:-1]}"}
    assert sorted(post.json["channel"] for post in posts) == ["#noc", "#ops", "@anna", "C0123"]
    assert [post.json.get("thread_ts") for post in posts].count("1573694689.0037") == 1


@pytest.mark.parametrize("error", ["invalid_auth", "channel_not_found", "not_in_channel", "NOT_OK"])
async def test_a_bots_no_is_a_refusal_though_it_comes_with_200(fixed_hosts: FixedHosts, error: str) -> None:
    fixed_hosts.script = [Say(body={"ok": False, "error": error})]
    async with opened(BOT) as channel:
        answer = await channel.send(TELL)
    assert isinstance(answer, Refused)
    assert answer.cause.startswith(f"slack.com: {error}; check the token")


@pytest.mark.parametrize(
    "say",
    [
        Say(body={"ok": False, "error": "ratelimited"}, headers={"Retry-After": "7"}),
        Say(status=429, body={"ok": False, "error": "ratelimited"}, headers={"Retry-After": "7"}),
    ],
)
async def test_a_bot_that_is_too_fast_waits(fixed_hosts: FixedHosts, say: Say) -> None:
    fixed_hosts.script = [say]
    async with opened(BOT) as channel:
        answer = await channel.send(TELL)
    assert isinstance(answer, TryAgain)
    assert answer.retry_after == timedelta(seconds=7)


async def test_one_refusing_channel_does_not_keep_the_others_from_it(fixed_hosts: FixedHosts) -> None:
    fixed_hosts.script = [Say(body={"ok": False, "error": "is_archived"})]
    async with opened(f"{BOT}%23a/%23b") as channel:
        assert isinstance(await channel.send(TELL), Refused)
    assert len(fixed_hosts.requests) == 2


@pytest.mark.parametrize(
    ("say", "kind"),
    [
        (Say(body="no_text"), TryAgain),
        (Say(body="<html>login</html>"), TryAgain),
        (Say(status=404, body="no_service"), Refused),
        (Say(status=410, body="channel_is_archived"), Refused),
        (Say(status=403, body="action_prohibited"), Refused),
        (Say(status=500, body="rollup_error"), TryAgain),
    ],
)
async def test_a_webhook_must_say_ok(fixed_hosts: FixedHosts, say: Say, kind: type) -> None:
    fixed_hosts.script = [say]
    async with opened(WEBHOOK) as channel:
        assert isinstance(await channel.send(TELL), kind)


async def test_slacks_own_webhook_address_is_a_channel_too(fixed_hosts: FixedHosts) -> None:
    async with opened("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ") as channel:
        assert isinstance(await channel.send(TELL), Accepted)
    assert len(fixed_hosts.to(SLACK)) == 1


async def test_a_workflow_is_left_to_apprise(fixed_hosts: FixedHosts) -> None:
    async with opened("https://hooks.slack.com/workflows/T01ABCDEF/A02BCDEFG/123456/abcDEF") as channel:
        assert isinstance(await channel.send(TELL), Accepted)
    assert fixed_hosts.to(SLACK)[0].path.startswith("/workflows/")
