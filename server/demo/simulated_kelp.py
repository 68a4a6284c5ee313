"""The visits of kelp, a fictional site builder that sends Footfall's own format."""

from __future__ import annotations

from typing import Any

from server.demo import scenario
from server.demo.calls import JSON_HEADERS, SECOND, Call, Story, encode, iso
from server.demo.simulated_installs import Draw, Install, version
from server.event import DAY, HOUR, MINUTE

_LONGEST = 25 * MINUTE  # of a command
_KELP = (*JSON_HEADERS, (b"user-agent", b"kelp"))


def native(install: Install, at: int, room: int, story: Story) -> list[Call]:
    """Run some commands, and send them one by one, as a batch, or hours later if the machine was offline."""
    draw = story.draw
    wrong_clock = DAY if story.every("clock", 200) else 0
    moment, events, ends = at, [], []
    for command in _commands(install, at, min(room, 12), story):
        length = min(_LONGEST, draw.lognormal(command.median, command.spread) * _slowness(command, install, moment, story))
        moment += round(length)
        events.append(_run(command, install, moment + wrong_clock, length, story))
        ends.append(moment)
        moment += round(draw.lognormal(40 * SECOND, 0.9))
    return _mishaps(_deliver(events, ends, install, draw), install, room - len(events), story)


def _slowness(command: scenario.Command, install: Install, at: int, story: Story) -> float:
    """The factor on a command's duration: machines are slower than people's computers, and one release builds faster."""
    fast, factor = scenario.FAST_VERSION
    is_fast = command.name == "build" and version("native", install, at, story.period) == fast
    return (1.5 if install.kind in ("ci", "container") else 1.0) * (factor if is_fast else 1.0)


def _commands(install: Install, at: int, most: int, story: Story) -> list[scenario.Command]:
    draw = story.draw
    everyday = {command.name: command for command, _ in scenario.COMMANDS}
    if install.kind in ("ci", "container", "test"):
        names = [draw.one(scenario.MACHINES_RUN), "lint"][: 1 + (draw.share() < 0.3)]
        return [everyday[name] for name in names][:most]
    if install.total == 0:
        has_starter = version("native", install, at, story.period) != scenario.RELEASES["native"][0].version
        builds = draw.share() < scenario.FIRST_BUILDS[has_starter]
        if not builds:
            install.loyalty *= scenario.LOST_LOYALTY
        deploys = builds and draw.share() < scenario.FIRST_DEPLOYS
        return [scenario.INIT, *[everyday["build"]] * builds, *[everyday["deploy"]] * deploys][:most]
    count = 1 + min(9, int(draw.exponential(1.1)))
    return [draw.one(scenario.COMMANDS) for _ in range(min(most, count))]


def _run(command: scenario.Command, install: Install, at: int, length: float, story: Story) -> dict[str, Any]:
    """One event for a command that ended at a time. Unknown fields are left out, not null."""
    draw, release = story.draw, version("native", install, at, story.period)
    event: dict[str, Any] = {
        "id": draw.mark(),
        "name": command.name,
        "installation_id": install.id,
        "timestamp": iso(at) if install.habit < 0.8 else at,
        "session_id": f"{install.id[:8]}-{at // (30 * MINUTE)}",
        "duration_ms": round(length, 1),
        "outcome": "success",
        "version": release,
        "os": install.os,
        "arch": install.arch,
        "runtime": f"node {install.runtime}",
        "package_manager": install.package_manager,
        **_says(install),
        **_surroundings(install, at, story),
    }
    error = _error(command, install, release, draw, by_agent="agent" in event)
    if error:
        event |= {"outcome": "failure", "error": {"type": error[0], "message": error[1]}}
    event["properties"] = _properties(command, install, draw, stage=error[2] if error else _last_stage(command, draw))
    if command.name == "plugin_add":
        event["target"] = {"type": "plugin", "id": draw.one(scenario.PLUGINS)}
    return event


def _error(command: scenario.Command, install: Install, release: str, draw: Draw, *, by_agent: bool) -> tuple[str, str, str] | None:
    """Type, message and stage of the error that ends a command; None for most commands, which succeed."""
    if command.name == "build":
        if release == scenario.BAD_VERSION and draw.share() < scenario.BAD_SHARE:
            return scenario.BAD_ERROR
        native = scenario.NATIVE_FAILS.get(install.runtime, scenario.NATIVE_FAILS_ELSE)
        if (install.os, install.arch) == ("win32", "arm64") and release != scenario.FAST_VERSION[0] and draw.share() < native:
            return scenario.NATIVE_ERROR
    needs_login, failing = scenario.LOGIN_VERSION
    if command.name == "deploy" and release == needs_login and draw.share() < failing:
        return scenario.LOGIN_ERROR
    if draw.share() < command.failing * (scenario.AGENTS_FAIL if by_agent else 1):
        return draw.one(scenario.DEPLOY_ERRORS if command.name == "deploy" else scenario.ERRORS)
    return None


def _last_stage(command: scenario.Command, draw: Draw) -> str | None:
    stages = scenario.LAST_STAGES.get(command.name)
    return draw.one(stages) if stages else None


def _says(install: Install) -> dict[str, Any]:
    """The fields about the kind of install. Older clients only send `ci`."""
    if install.kind == "unknown":
        return {}
    if install.kind == "ci" and install.habit < 0.5:
        return {"ci": True}
    return {"environment": install.kind}


def _surroundings(install: Install, at: int, story: Story) -> dict[str, Any]:
    """The fields that clients since 2.7 fill in: the agent that ran the command, if one did, the terminal, and the install source."""
    if version("native", install, at, story.period) == scenario.RELEASES["native"][0].version:
        return {}
    by_hand = install.kind in ("person", "development", "unknown")
    first, now = scenario.AGENTS_SHARE
    if by_hand and story.draw.share() < first + (now - first) * story.period.share(at):
        return {"install_source": install.source, "interactive": False, "agent": story.draw.one(scenario.AGENTS)}
    return {"install_source": install.source, "interactive": by_hand}


def _properties(command: scenario.Command, install: Install, draw: Draw, stage: str | None) -> dict[str, Any]:
    """Properties of a run. `stage` is the last one that a build or a deployment reached."""
    properties: dict[str, Any] = {
        "trigger": draw.one(scenario.TRIGGERS.get(install.kind, scenario.BY_HAND)),
        "shell": draw.one(scenario.SHELLS[install.os]),
    }
    if command.name == "build":
        properties |= {
            "pages": round(draw.lognormal(85, 1.2)),
            "theme": install.theme,
            "build": {"stage": stage, "cache": draw.one(scenario.CACHES)},
        }
        if install.plugins:
            properties["plugins"] = list(install.plugins)
    if command.name == "deploy":
        properties["deploy"] = {"stage": stage, "region": draw.one(scenario.REGIONS)}
    return properties


def _deliver(events: list[dict[str, Any]], ends: list[int], install: Install, draw: Draw) -> list[Call]:
    """Deliver events in the install's usual way: each as it happens, wrapped in `data`, or all at the end as a batch."""
    if install.habit < 0.3:
        return [_single(event, at, install) for event, at in zip(events, ends, strict=True)]
    at = ends[-1] + 150
    if install.habit > 0.95:  # offline at the time: sent after reconnecting
        at += round(draw.between(0.5, 20) * HOUR)
    body = events if install.habit < 0.4 else {"events": events}
    return [Call(at, "native", "/v1/events", encode(body), _KELP, install.address, len(events))]


def _single(event: dict[str, Any], at: int, install: Install) -> Call:
    headers = _KELP
    if install.habit < 0.08:  # an older client sends the event name in a header
        headers = (*headers, (b"idempotency-key", event.pop("id").encode()))
    body = {"data": event} if 0.08 <= install.habit < 0.14 else event
    return Call(at + 90, "native", "/v1/events", encode(body), headers, install.address)


def _mishaps(calls: list[Call], install: Install, room: int, story: Story) -> list[Call]:
    """Add mishaps: a lost response causes a resend, a nightly omits a field, a user opts out of tracking."""
    last = calls[-1]
    if install.kind == "development" and room > 0 and story.every("nightly", 3):
        wrong = {"timestamp": iso(last.at), "version": scenario.NIGHTLY}  # the name is missing
        return [*calls, last._replace(at=last.at + 900, body=encode(wrong), events=1)]
    if last.events <= room and story.every("retry", 40):
        return [*calls, last._replace(at=last.at + 3 * SECOND)]
    if story.every("opt-out", 60):
        return [call._replace(headers=(*call.headers, (b"dnt", b"1"))) for call in calls]
    return calls
