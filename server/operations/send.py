"""`footfall send`: sends one event from a script or by hand, and prints the server's answer."""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import Any

import httpx
import rich_click as click

from server.settings import bundled
from server.terminal import fail, out, settings_or_exit, succeed

_TIMEOUT = 10  # seconds


@click.command(name="send")
@click.argument("name")
@click.option("--outcome", type=click.Choice(["success", "failure"]))
@click.option("--duration-ms", type=click.FloatRange(min=0))
@click.option("--version", "tool_version", help="The tool's version.")
@click.option("--target", metavar="TYPE:ID", help="The thing that the event is about, such as pack:peon.")
@click.option("--error-type")
@click.option("--error-message")
@click.option("--property", "properties", metavar="K=V", multiple=True, help="Can be repeated. Numbers, true and false keep their type.")
@click.option("--url", help="The server's URL, with /p/PROJECT to name a project. Defaults to the server on this machine.")
@click.option("--key", help="A write key; - reads it from standard input.")
@click.option("--installation-id", help="The installation id to send. Defaults to a random id that is stored for this user.")
@click.option("--dry-run", is_flag=True, help="Print the event and send nothing.")
@click.option("--quiet", is_flag=True, help="Print nothing, and always exit with 0; for scripts.")
def send_command(name: str, url: str | None, key: str | None, *, dry_run: bool, quiet: bool, **options: Any) -> None:
    """Send one event NAME and print the server's answer. Exits with 1 if the event was not accepted. Honors DO_NOT_TRACK."""
    telemetry = _client().Footfall(
        "footfall-send", url or settings_or_exit().local_url, version=options["tool_version"], notice=False, install_source="footfall"
    )
    event = telemetry.event(name, **_fields(options))
    if options["installation_id"]:
        event["installation_id"] = options["installation_id"]
    if dry_run:
        click.echo(json.dumps(event, indent=2))
        return
    state, reason = telemetry.state()
    if state != "on" and not reason.startswith("there is no home"):
        if not quiet:
            out.print(f"Not sent: {reason}.")
        return
    if key == "-":
        key = sys.stdin.readline().strip()
    taken, answer = _post(telemetry.url, key, event)
    if quiet:
        return
    if not taken:
        fail(answer)
    succeed(answer)


def _client() -> Any:
    """Load the bundled Python client."""
    spec = importlib.util.spec_from_file_location("footfall_client", bundled("static") / "clients" / "footfall.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # no .pyc file beside the bundled files
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    """The fields of the event. Raises UsageError for an invalid property or target."""
    fields: dict[str, Any] = {"outcome": options["outcome"], "duration_ms": options["duration_ms"]}
    if options["target"]:
        kind, colon, found = options["target"].partition(":")
        if not (kind and colon and found):
            raise click.UsageError("--target needs TYPE:ID")
        fields["target"] = {"type": kind, "id": found}
    if options["error_type"] or options["error_message"]:
        fields["error"] = {"type": options["error_type"], "message": options["error_message"]}
    properties = {}
    for pair in options["properties"]:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise click.UsageError("--property needs K=V")
        properties[name] = _value(value)
    return {**fields, "properties": properties}


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text


def _post(url: str, key: str | None, event: dict[str, Any]) -> tuple[bool, str]:
    """Post an event. Returns whether the server accepted it, and its answer in one line."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.post(f"{url}/v1/events", json=event, headers=headers, timeout=_TIMEOUT, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return False, f"{url} cannot be reached: {type(error).__name__}"
    return answer.is_success and '"accepted"' in answer.text, f"{answer.status_code} {answer.text[:2000]}"


COMMANDS: tuple[click.Command, ...] = (send_command,)
