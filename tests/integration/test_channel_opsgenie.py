"""Opsgenie, at its own address, over TLS and a proxy."""

from notifier.ports import Accepted, Refused
from tests.support.messages import CLOSE, KEY, OPEN, UPDATE, opened
from tests.support.receivers import OPSGENIE, OPSGENIE_EU, FixedHosts, IncidentLedger, Say

URL = "opsgenie://0p5g3n1e-4p1-k3y/"
ALIAS = KEY.replace(":", "%3A")
DESCRIPTION = (
    'icon-ams-01 changed from Healthy to Down.\nCloudflare says: "Port down"\n\n'
    f"Speed: 10G\nSightings: 2\nRedundant: False\n\nIncident: {KEY}"
)


async def test_an_alert_carries_everything(fixed_hosts: FixedHosts) -> None:
    async with opened(URL) as channel:
        assert channel.stateful
        assert await channel.send(OPEN) == Accepted(code=202, receipt="43a29c5c-3dbf-4fa4")
    (request,) = fixed_hosts.requests
    assert (request.host, request.path) == (OPSGENIE, "/v2/alerts")
    assert request.headers["Authorization"] == "GenieKey 0p5g3n1e-4p1-k3y"
    assert request.json == {
        "message": "[production] icon-ams-01 is Down (was Healthy) #42",
        "alias": KEY,
        "description": DESCRIPTION,
        "details": {
            "kind": "problem",
            "account": "production",
            "site": "ams-a",
            "Speed": "10G",
            "Sightings": "2",
            "Redundant": "false",
        },
        "entity": "icon-ams-01",
        "priority": "P1",
        "source": "cni-notifier",
    }


async def test_one_alias_opens_raises_and_closes(fixed_hosts: FixedHosts) -> None:
    async with opened(URL) as channel:
        for message in (OPEN, UPDATE, CLOSE):
            assert isinstance(await channel.send(message), Accepted)
    made, again, raised, closed = fixed_hosts.requests
    assert made.json["alias"] == again.json["alias"] == KEY
    assert (raised.method, raised.path.replace(":", "%3A")) == ("PUT", f"/v2/alerts/{ALIAS}/priority")
    assert raised.json == {"priority": "P1"}
    assert closed.path.replace(":", "%3A") == f"/v2/alerts/{ALIAS}/close"
    assert raised.query == closed.query == {"identifierType": ["alias"]}
    assert closed.json["note"].startswith("icon-ams-01 changed from Down to Healthy.")
    ledger = IncidentLedger(fixed_hosts.requests)
    assert (ledger.opens, ledger.closes, ledger.open) == ({KEY: 1}, {KEY: 1}, set())


async def test_a_close_by_another_process_needs_nothing_remembered(fixed_hosts: FixedHosts) -> None:
    for message in (OPEN, CLOSE):
        async with opened(URL) as channel:
            await channel.send(message)
    assert IncidentLedger(fixed_hosts.requests).open == set()


async def test_region_responders_tags_and_details_of_the_url_are_kept(fixed_hosts: FixedHosts) -> None:
    async with opened("opsgenie://user@key0/%23net/?region=eu&tags=a,b&entity=x&priority=low&+team=net") as channel:
        await channel.send(OPEN)
    (alert,) = [request.json for request in fixed_hosts.to(OPSGENIE_EU)]
    assert alert["responders"] == [{"type": "team", "name": "net"}]
    assert (alert["tags"], alert["entity"], alert["user"]) == (["a", "b"], "x", "user")
    assert (alert["priority"], alert["details"]["team"]) == ("P1", "net")


async def test_a_key_that_may_not_is_refused(fixed_hosts: FixedHosts) -> None:
    fixed_hosts.script = [Say(status=403, body={"message": "Key is not authorized", "took": 0.1, "requestId": "1"})]
    async with opened(URL) as channel:
        answer = await channel.send(OPEN)
    cause = "403 from api.opsgenie.com: Key is not authorized; check the key in the channel's URL and what it may do"
    assert answer == Refused(cause=cause, code=403)
