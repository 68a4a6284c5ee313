"""GraphQL and the public routes return the same figures for client families."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.admin.conftest import Asker

ENGINES = ("sqlite", "postgres")
TOKEN = "ff_an-admin-token-of-this-test-only"


def test_graphql_and_the_public_routes_agree(make_server: Callable[..., Any]) -> None:
    server = make_server(FOOTFALL_ADMIN_TOKEN=TOKEN, FOOTFALL_PUBLIC="counters,trending,badges,stats,analytics").start()
    asker, client = Asker(server.url, TOKEN), server.client
    for pack in ("peon", "peon", "orc"):
        assert client.post(f"/dl/{pack}").status_code == 202
    for number, kind in enumerate(("heartbeat", "config_created", "deployment", "deployment")):
        data = {"user_id": f"user{number % 2}", "version": "1.0", "os": "linux", "arch": "x86_64", "success": number == 2}
        assert client.post("/v1/events", json={"type": kind, "data": {"data": data}}).status_code == 200
    for tool, status in (("grep", "success"), ("grep", "error"), ("find", "success")):
        call = {
            "tool_name": tool,
            "tool_category": "x",
            "duration_ms": 30,
            "status": status,
            "error_type": "E" if status == "error" else None,
        }
        assert client.post("/api/track", json=call).status_code == 200
    for kind in ("view", "copy", "vote_up"):
        body = {"targetType": "snippet", "targetId": "s1", "kind": kind, "sessionId": "s"}
        assert client.post("/v1/engagement", json=body).status_code == 202

    told = asker.run("Families", slug="default")["project"]
    counts = client.get("/counts").json()
    assert {each.pop("pack"): each for each in told["packs"]} == counts
    assert [pack["total"] for pack in told["packs"]] == [2, 1]
    assert len(asker.run("Families", slug="default", first=1)["project"]["packs"]) == 1
    stats, flakedrop = client.get("/stats").json(), told["flakedrop"]
    assert (flakedrop["uniqueUsers"], flakedrop["totalEvents"], flakedrop["successfulDeploys"]) == (2, 4, 1)
    assert (stats["unique_users"], stats["total_events"], stats["successful_deploys"]) == (2, 4, 1)
    assert {each["value"]: each["users"] for each in flakedrop["os"]} == stats["os_breakdown"] == {"linux": 2}
    summary, use = client.get("/analytics/summary").json(), told["toolUse"]
    assert (use["total"]["calls"], use["callers"], use["total"]["mean"]) == (3, summary["unique_users"], summary["avg_duration_ms"])
    assert [(tool["tool"], tool["calls"]) for tool in use["tools"]] == [("grep", 2), ("find", 1)]
    assert use["dailyCallers"][-1] == use["callersOfLastWeek"] == 1
    counters = asker.run("Counters", slug="default", type="snippet", ids=["s1", "unknown"])["project"]["counters"]
    (shown,) = counters
    assert shown["id"] == "s1"
    public = client.get("/api/public/counters/snippet/s1").json()
    assert {name: public[name] for name in ("views", "copies", "votesUp")} == {"views": 1, "copies": 1, "votesUp": 1}
    assert (shown["counters"]["views"], shown["counters"]["copies"], shown["counters"]["votesUp"]) == (1, 1, 1)
    assert asker.refused('{project(slug:"default"){counters(type:"x", ids:["' + '","'.join("a" * 101) + '"]){id}}}') == "BAD_INPUT"

    group = '{project(slug:"default"){errors{groups{type sample{errorType name target}}}}}'
    assert asker.ask(group)["project"]["errors"]["groups"] == [
        {"type": None, "sample": {"errorType": None, "name": "deployment", "target": None}},
        {"type": "E", "sample": {"errorType": "E", "name": "tool_call", "target": "grep"}},
    ]
    asker.client.close()
