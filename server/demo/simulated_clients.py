"""The requests of the simulated clients: one function per family turns a visit of an install into calls.

Bodies and headers match the published clients (see the dialects): SonicJS' `fetch`, FlakeDrop's Go with sorted keys and nanoseconds, curl
without a body, Track-Skills' JavaScript and shell script.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from server.demo import scenario
from server.demo.calls import JSON_HEADERS, SECOND, Call, Headers, Story, encode, iso
from server.demo.simulated_installs import Draw, Install, version
from server.demo.simulated_kelp import native
from server.event import DAY, MINUTE

_CURL: Headers = ((b"user-agent", b"curl/8.7.1"), (b"accept", b"*/*"))
_NODE: Headers = (*JSON_HEADERS, (b"user-agent", b"node"), (b"accept", b"*/*"), (b"sec-fetch-mode", b"cors"))


# --- SonicJS ------------------------------------------------------------------------------------------------------------------------------


def sonicjs(install: Install, at: int, room: int, story: Story) -> list[Call]:
    """Simulate an installation with `npx create-sonicjs` first, and the site later: its development server and its admin pages."""
    draw = story.draw
    if install.total and draw.share() < 0.8:
        return _site(install, at, room, story)
    machine = {"os": install.os, "nodeVersion": f"v{install.runtime}"}
    started = {"packageManager": install.package_manager, **machine}
    calls = [_sonicjs(install, at, "installation_started", started)]
    length = round(draw.lognormal(48 * SECOND, 0.5))
    if room < 2 or draw.share() < 0.05:  # the user closed the terminal
        return calls
    template = draw.one(scenario.TEMPLATES)
    if draw.share() < 0.09:
        error, stage = draw.one(scenario.SETUP_FAILURES)
        return [*calls, _sonicjs(install, at + length // 2, "installation_failed", {"errorType": error, "stage": stage, **machine})]
    done = {"durationMs": length, "template": template, "success": True, **machine}
    return [*calls, _sonicjs(install, at + length, "installation_completed", done)]


def _site(install: Install, at: int, room: int, story: Story) -> list[Call]:
    draw = story.draw
    calls, moment = [], at
    names = ["dev_server_started"] + ["page_viewed"] * int(draw.exponential(2.2))
    if draw.share() < 0.06:
        names.append("error_occurred")
    for name in names[:room]:
        properties: dict[str, Any] = {"route": draw.one(scenario.ROUTES)} if name == "page_viewed" else {}
        if name == "error_occurred":
            properties["errorType"] = "D1_ERROR: no such table: content at ~/my-sonicjs-app/src/index.ts"
        properties |= {"timestamp": iso(moment), "version": version("sonicjs", install, moment, story.period)}
        calls.append(_sonicjs(install, moment, name, properties))
        moment += round(draw.lognormal(25 * SECOND, 0.8))
    if story.every("sonicjs", 70):  # a theme with a copy of an old client
        calls[-1] = calls[-1]._replace(body=encode({"data": {"installation_id": install.id, "properties": {"route": "/admin"}}}))
    return calls


def _sonicjs(install: Install, at: int, name: str, properties: dict[str, Any]) -> Call:
    data = {"installation_id": install.id, "event_type": name, "properties": properties, "timestamp": iso(at)}
    path = "/v1/events" if install.habit < 0.8 else "/api/v1/events"
    return Call(at + 60, "sonicjs", path, encode({"data": data}), _NODE, install.address)


# --- downloads ----------------------------------------------------------------------------------------------------------------------------


def downloads(install: Install, at: int, room: int, story: Story) -> list[Call]:
    """Browse the packs, preview some, and install one or two. Requests contain only names."""
    draw = story.draw
    paths = ["/registry"] if draw.share() < 0.35 else []
    for _ in range(1 + int(draw.exponential(0.8))):
        pack = story.rising(scenario.PACKS, scenario.RISING_PACK, at)
        paths += [f"/preview/{pack}"] * (draw.share() < 0.4)
        paths += [f"/dl/{pack}"] * (draw.share() < 0.75 or not paths)
    if story.every("downloads", 50):
        paths.append(f"/dl/{scenario.BAD_PACKS[story.counts['downloads'] // 50 % len(scenario.BAD_PACKS)]}")
    calls, moment = [], at
    for path in paths[:room]:
        headers: Headers = ((b"user-agent", install.browser.encode()),) if path.startswith("/preview") else _CURL
        calls.append(Call(moment, "downloads", path, b"", headers, install.address))
        moment += round(draw.lognormal(9 * SECOND, 0.8))
    return calls


# --- engagement ---------------------------------------------------------------------------------------------------------------------------


def engagement(install: Install, at: int, room: int, story: Story) -> list[Call]:
    """Read some pages, copy, download, vote. Some visitors reload, which counts once; some pages send all events at their end."""
    draw = story.draw
    who: dict[str, Any] = {"sessionId": f"{install.id[:13]}-{story.period.end:x}-{at // DAY:x}"}  # one per day and run
    if install.habit < 0.25:
        who["userId"] = f"user_{install.id[-12:]}"
    metadata = {"ua": install.browser, "ip": install.address}
    if referrer := draw.one(scenario.REFERRERS):
        metadata["referrer"] = referrer
    bodies: list[dict[str, Any]] = []
    for _ in range(1 + int(draw.exponential(0.9))):
        kind, target = story.rising(scenario.TARGETS, scenario.RISING_TARGET, at)
        about = {"targetType": kind, "targetId": target}
        bodies.append({**about, "kind": "view", **who, "metadata": metadata})
        if story.every("reload", 12):
            bodies.append(bodies[-1])
        actions = [action for action, share in scenario.ACTIONS[kind] if draw.share() < share]
        bodies += [{**about, "kind": action, **who, "metadata": metadata} for action in actions]
    if story.every("engagement", 60):  # a deleted page
        bodies[-1] = {"targetType": "snippet", "kind": "copy", **who}
    return _page(bodies[:room], install, at, draw)


def _page(bodies: list[dict[str, Any]], install: Install, at: int, draw: Draw) -> list[Call]:
    headers: Headers = (*JSON_HEADERS, (b"user-agent", install.browser.encode()), (b"origin", b"https://markdown.example"))
    if install.habit > 0.8:
        return [Call(at + 40 * SECOND, "engagement", "/v1/engagement", encode(bodies), headers, install.address, len(bodies))]
    calls = []
    for body in bodies:
        calls.append(Call(at, "engagement", "/v1/engagement", encode(body), headers, install.address))
        at += round(draw.lognormal(14 * SECOND, 0.8))
    return calls


# --- FlakeDrop ----------------------------------------------------------------------------------------------------------------------------


def flakedrop(install: Install, at: int, room: int, story: Story) -> list[Call]:
    """Send a new configuration the first time, a daily heartbeat, and deployments."""
    draw, release = story.draw, version("flakedrop", install, at, story.period)
    user = install.id.replace("-", "")[:16]
    says = {"user_id": user, "version": release}
    system = {"darwin": "darwin", "linux": "linux"}.get(install.os, "windows")
    arch = {"x64": "amd64"}.get(install.arch, install.arch)
    calls: list[Call] = []
    if install.total == 0:
        created = {**says, "event": "config_created", "config_type": draw.one(scenario.CONFIG_TYPES)}
        calls.append(_go("config_created", created, install, at, draw))
    metrics = {
        "total_deployments": install.total,
        "weekly_deployments": min(install.total, 9),
        "last_active_date": iso(at)[:10],
        "error_rate": round(scenario.DEPLOYMENTS_FAIL * draw.between(0.5, 1.5), 4),
    }
    calls.append(_go("heartbeat", {**says, "os": system, "arch": arch, "metrics": metrics}, install, at + 400, draw))
    for place in range(1 + int(draw.exponential(0.9))):
        success = draw.share() >= scenario.DEPLOYMENTS_FAIL
        files = max(1, round(draw.lognormal(6, 1)))
        moment = at + (place + 1) * round(draw.lognormal(4 * MINUTE, 0.7))
        if moment > story.period.end:
            break
        deployed = {**says, "event": "real_deployment", "os": system, "success": success, "file_count": files}
        calls.append(_go("deployment", deployed, install, moment, draw))
    return calls[:room]


def _go(kind: str, fields: dict[str, Any], install: Install, at: int, draw: Draw) -> Call:
    """Encode an event like Go: a map with sorted keys, and a time with up to nine digits of a second."""
    moment = f"{iso(at)[:-1]}{round(draw.between(1, 999_999)):06d}".rstrip("0") + "Z"
    inner = dict(sorted({**fields, "timestamp": moment}.items()))
    data = inner if fields["version"] == "1.0.0" else {"data": inner}
    agent = f"FlakeDrop/{fields['version']}".encode()
    headers: Headers = ((b"user-agent", agent), *JSON_HEADERS, (b"accept-encoding", b"gzip"))
    return Call(at + 120, "flakedrop", "/v1/events", encode({"data": data, "type": kind}), headers, install.address)


# --- Track-Skills -------------------------------------------------------------------------------------------------------------------------


def trackskills(install: Install, at: int, room: int, story: Story) -> list[Call]:
    """Call some tools in a row, as an agent does. Most calls go through the JavaScript client; a shell script only reports the call."""
    draw = story.draw
    calls, moment = [], at
    for _ in range(min(room, 1 + int(draw.exponential(3)))):
        body = _tool_call(install, draw)
        moment += body["duration_ms"] + round(draw.lognormal(6 * SECOND, 0.8))
        calls.append(Call(moment, "trackskills", "/api/track", encode(body), _skills_headers(install, at), install.address))
    return calls


def _tool_call(install: Install, draw: Draw) -> dict[str, Any]:
    tool, median, spread, failing = draw.one(scenario.TOOLS)
    if install.habit < 0.2:
        return {"tool_name": tool, "duration_ms": 100, "status": "success", "tool_category": "cms_ontology"}
    length = round(draw.lognormal(median, spread))
    body = {"tool_name": tool, "tool_category": "cms_ontology", "duration_ms": length, "status": "success"}
    if draw.share() < scenario.TIMEOUTS:
        return {**body, "duration_ms": 30_000, "status": "timeout", "error_type": "timeout", "error_message": None, "metadata": None}
    if draw.share() < failing:
        error, message = draw.one(scenario.TOOL_ERRORS)
        return {**body, "status": "error", "error_type": error, "error_message": message, "metadata": None}
    found = encode({"params_keys": ["url", "depth"], "result_count": int(draw.exponential(12))}).decode()
    return {**body, "error_type": None, "error_message": None, "metadata": found}


def _skills_headers(install: Install, at: int) -> Headers:
    if install.habit < 0.2:  # the script without a key
        return (*_CURL, *JSON_HEADERS, (b"authorization", b"Bearer"))
    if install.habit < 0.4:
        return (*_NODE, (b"mcp-session-id", f"{install.id[:18]}-{at // DAY}".encode()))
    return (*_NODE, (b"authorization", f"Bearer cms_{install.id.replace('-', '')}".encode()))


VISITS: dict[str, Callable[[Install, int, int, Story], list[Call]]] = {
    "native": native,
    "sonicjs": sonicjs,
    "downloads": downloads,
    "engagement": engagement,
    "flakedrop": flakedrop,
    "trackskills": trackskills,
}
