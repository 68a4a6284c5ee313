"""Promises to programs and pages that send with Plausible's or Umami's trackers, which carry no key: only a project that lists the site accepts them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.field.conftest import accounted

WEBSITE = "5C4B9F0E-2d6f-4b7c-a3b1-c6d290feac4e"
UPDATE = "mutation ($s: String!, $c: ProjectChanges!) { updateProject(slug: $s, changes: $c) { errors { field code message } } }"


def plausible(domain: str, **fields: Any) -> dict[str, Any]:
    return {"n": "build", "u": f"https://{domain}/a?token=secret", "d": domain, "r": "https://search.example/", **fields}


def umami(website: str, kind: str = "event", **payload: Any) -> dict[str, Any]:
    return {"type": kind, "payload": {"website": website, "hostname": "tool.example", "url": "/a?token=secret", **payload}}


def accept(field: Any, *sites: str) -> Any:
    return field.ask(UPDATE, s=field.slug, c={"sites": list(sites)})["updateProject"]["errors"]


def test_a_project_that_lists_no_site_takes_no_event_without_a_key(field: Any) -> None:
    for path, body in (("/api/event", plausible("tool.example")), ("/api/send", umami(WEBSITE)), ("/api/event", "{"), ("/api/send", [])):
        assert field.post(body, path).status_code == 404, path
    ledger = accounted(field, 4)
    assert {each["reason"]: each["events"] for each in ledger["reasons"]} == {"unserved_plausible": 2, "unserved_umami": 2}


def test_a_project_takes_the_events_of_its_sites(field: Any) -> None:
    domain, website = f"{field.slug}.example", f"{WEBSITE}-{field.slug}"
    assert accept(field, domain, website) == []
    answer = field.post(
        plausible(f"other.example,{domain}", p=json.dumps({"version": "1.2.3", "os": "Linux", "from": "https://a.example/"})), "/api/event"
    )
    assert (answer.status_code, answer.json()) == (202, {})
    assert (
        field.post(
            {"name": "test", "domain": domain, "url": "app://x", "props": {"kind": 1}}, "/api/event/", content_type="text/plain"
        ).status_code
        == 202
    )
    assert (
        field.post(umami(website, name="sign up", data={"version": "1.2.3"}, id="user-1", timestamp=1_700_000_000), "/api/send").json()
        == {}
    )
    assert field.post(umami(website), "/api/send/").status_code == 200
    # These count as no usage.
    assert field.post(plausible(domain, n="engagement", e=5), "/api/event").status_code == 202
    assert field.post(umami(website, "identify", id="user-1", data={"os": "linux"}), "/api/send").status_code == 200
    events = {event["name"]: event for event in field.events()}
    assert field.ledger()["stored"] == len(events) == 4
    assert (events["build"]["dialect"], events["build"]["version"], events["build"]["os"]) == ("plausible", "1.2.3", "linux")
    assert events["build"]["properties"] == {"version": "1.2.3", "os": "Linux"}
    assert events["test"]["properties"] == {"kind": 1}
    assert (events["sign up"]["dialect"], events["sign up"]["version"]) == ("umami", "1.2.3")
    assert {name for name, event in events.items() if event["install"]} == {"sign up"}
    assert "secret" not in json.dumps(list(events.values()))
    assert field.get("/v1/installs/user-1").json()["install"]["os"] == "linux"


@pytest.mark.one_path
def test_a_site_names_its_project_whatever_the_path_is(field: Any, make_project: Any) -> None:
    domain = f"{field.slug}.example"
    assert accept(field, domain) == []
    send = field.server.client.post
    assert send("/api/event", json=plausible(domain)).status_code == 202
    assert send(f"/p/{make_project()}/api/event", json=plausible(domain)).status_code == 404
    assert field.ledger()["stored"] == 1


@pytest.mark.one_path
def test_a_site_stands_for_the_key_of_a_project_that_requires_one(field: Any, make_project: Any) -> None:
    field.slug = make_project(requiresKey=True, sites=["strict.example"])
    assert field.post(plausible("strict.example"), "/api/event").status_code == 202
    assert field.post({"name": "build"}).status_code == 401


@pytest.mark.one_path
def test_limits_and_opt_outs_hold_for_sites(field: Any, make_project: Any) -> None:
    field.slug = make_project(rateLimit="2/hour", sites=["limited.example"])
    assert field.post(plausible("limited.example"), "/api/event", dnt="1").status_code == 202
    assert field.post(umami("limited.example", name=5), "/api/send").status_code == 200
    assert field.post(plausible("limited.example"), "/api/event").status_code == 429
    ledger = accounted(field, 3)
    assert (ledger["optedOut"], ledger["rejected"], ledger["limited"]) == (1, 1, 1)


@pytest.mark.one_path
def test_a_site_belongs_to_one_project(field: Any, make_project: Any) -> None:
    domain = f"{field.slug}.example"
    assert accept(field, domain) == []
    field.slug = make_project()
    assert [error["code"] for error in accept(field, domain.upper())] == ["TAKEN"]
    assert [error["code"] for error in accept(field, "https://a.example")] == ["INVALID"]


@pytest.mark.one_path
def test_the_command_line_switches_a_site_on_and_off(field: Any) -> None:
    domain = f"{field.slug}.example"
    for arguments, status in (((domain,), 202), ((domain, "--remove"), 404)):
        assert field.server.footfall("project", "site", field.slug, *arguments).returncode == 0
        deadline = time.monotonic() + 60  # another process changed it: the server learns of it within two seconds
        while field.post(plausible(domain), "/api/event").status_code != status:
            assert time.monotonic() < deadline
            time.sleep(0.1)
