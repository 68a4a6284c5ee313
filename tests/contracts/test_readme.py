"""The README and docs/ keep their promises: settings and commands exist, snippets work when pasted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from server.settings import Settings, SettingsError, load

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {
    path.name: path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
}
ADDRESS = "http://127.0.0.1:8000"


def fences(language: str, text: str = README) -> list[str]:
    """The code blocks of a language in a document."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 150


def test_every_setting_is_documented_as_it_is() -> None:
    assert subprocess.run([sys.executable, ".ci/docs.py", "--check"], cwd=ROOT, check=False).returncode == 0, "run `make docs`"


def test_every_setting_that_a_document_names_exists() -> None:
    known = {setting.metadata["name"] for setting in fields(Settings)} | {"FOOTFALL_CONFIG"}
    head = (ROOT / "static/clients/footfall.sh").read_text().partition("\n\n")[0]  # names the settings of the shell client
    clients = set(re.findall(r"\bFOOTFALL_[A-Z_]*[A-Z]\b", head))
    assert {"FOOTFALL_TOOL", "FOOTFALL_URL"} <= clients
    for name, text in DOCS.items():
        named = {each for each in re.findall(r"\bFOOTFALL_[A-Z_]*[A-Z]\b", text) if not each.startswith("FOOTFALL_TEST_")}
        assert named - known - clients == set(), name


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"FOOTFALL_PORT": "eighty"}, "FOOTFALL_PORT"),
        ({"FOOTFALL_PORT": "-1"}, "FOOTFALL_PORT"),
        ({"FOOTFALL_RATE_LIMIT": "many"}, "FOOTFALL_RATE_LIMIT"),
        ({"FOOTFALL_MAX_BODY": "ten"}, "FOOTFALL_MAX_BODY"),
        ({"FOOTFALL_PUBLIC": "counters,secrets"}, "FOOTFALL_PUBLIC"),
        ({"FOOTFALL_TRUSTED_PROXIES": "10.0.0.0/99"}, "FOOTFALL_TRUSTED_PROXIES"),
        ({"FOOTFALL_NONSENSE": "1"}, "FOOTFALL_NONSENSE is not a setting; `footfall doctor` lists all"),
        ({"FOOTFALL_RATE_LIMITS": "1"}, "did you mean FOOTFALL_RATE_LIMIT"),
        ({"FOOTFALL_SECRET": "short"}, "FOOTFALL_SECRET"),
        ({"FOOTFALL_CLIENT_IP_HEADER": "Fly-Client-IP"}, "FOOTFALL_TRUSTED_PROXIES"),
        ({"FOOTFALL_MAX_BODY": "2MiB"}, "FOOTFALL_MAX_BATCH_BODY"),
        ({"FOOTFALL_DATABASE_URL": "mysql://x"}, "FOOTFALL_DATABASE_URL"),
        ({"FOOTFALL_CONFIG": "/nowhere/at/all"}, "FOOTFALL_CONFIG"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(env: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load(env)


def test_doctor_names_an_unknown_setting_and_lists_all_settings(make_server: Callable[..., Any]) -> None:
    ran = make_server(FOOTFALL_RATE_LIMITS="1").footfall("doctor")
    assert ran.returncode == 1
    assert "FOOTFALL_RATE_LIMITS is not a setting" in ran.stderr
    assert all(setting.metadata["name"] in ran.stdout for setting in fields(Settings))


def test_settings_come_from_the_environment_then_the_file_then_the_default(tmp_path: Path) -> None:
    file = tmp_path / "footfall.env"
    file.write_text("# ours\nexport FOOTFALL_PORT=9000\nFOOTFALL_MAX_BODY='20 KiB'\nFOOTFALL_RATE_LIMIT=off\n")
    settings = load({"FOOTFALL_CONFIG": str(file), "FOOTFALL_PORT": "9100"})
    assert (settings.port, settings.max_body, settings.rate_limit, settings.host) == (9100, 20 * 1024, None, "127.0.0.1")
    assert load({"PORT": "7000"}).port == 7000
    assert load({"PORT": "7000", "FOOTFALL_PORT": "7001"}).port == 7001


@pytest.fixture
def pasted(make_server: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs a snippet as a stranger who pastes it, against a running server, in a folder with the clients."""
    server = make_server().start()
    env = {**os.environ, "HOME": str(tmp_path), "MYTOOL_TELEMETRY": "on", "MYTOOL_NO_TELEMETRY": "", "DO_NOT_TRACK": ""}
    env.pop("CI", None)
    for name in ("footfall.py", "footfall.js", "footfall.sh"):
        (tmp_path / name).write_bytes(server.client.get(f"/clients/{name}").content)

    def paste(text: str, *command: str, stored: int) -> Any:
        text = text.replace(ADDRESS, server.url)
        ran = subprocess.run([*command, text], env=env, check=True, timeout=100, cwd=tmp_path, capture_output=True, text=True)
        deadline = time.monotonic() + 30
        counted = f'footfall_events_total{{project="default",result="stored"}} {stored}.0'
        while counted not in server.client.get("/metrics").text and time.monotonic() < deadline:
            time.sleep(0.05)
        assert counted in server.client.get("/metrics").text
        return ran

    paste.server = server  # type: ignore[attr-defined]
    return paste


def test_the_curl_of_the_readme_is_answered_as_it_says(pasted: Any) -> None:
    (text,) = [text for text in fences("sh") if "curl -s http" in text and "/v1/events" in text]
    ran = pasted(text, "sh", "-euc", stored=1)
    assert f"# {ran.stdout.strip()}" in text


@pytest.mark.slow
def test_the_clients_of_the_readme_send_an_event(pasted: Any, tmp_path: Path) -> None:
    (fetch,) = [text for text in fences("sh") if "/clients/" in text]
    subprocess.run(["sh", "-euc", fetch.replace(ADDRESS, pasted.server.url)], cwd=tmp_path, check=True, timeout=100, capture_output=True)
    (python,), (javascript,), (shell,) = fences("python"), fences("js"), fences("bash")
    assert pasted(python, sys.executable, "-c", stored=1).stdout == "built\n"
    assert pasted(javascript, "node", "--input-type=module", "--eval", stored=2).stdout == "built\n"
    assert pasted(shell, "sh", "-euc", stored=3).stdout == "built\n"


def test_the_download_line_of_the_readme_counts_and_prints_nothing(pasted: Any) -> None:
    (line,) = [text for text in fences("sh") if "/dl/my-pack &" in text]
    ran = pasted(line, "sh", "-euc", stored=1)
    assert (ran.stdout, ran.stderr) == ("", "")
    assert pasted.server.client.get("/counts").json() == {"my-pack": {"total": 1, "last7d": 1, "today": 1}}


def test_the_batch_of_the_event_page_is_answered_as_it_says(pasted: Any) -> None:
    (text,) = [text for text in fences("sh", DOCS["events.md"]) if "curl" in text]
    ran = pasted(text, "sh", "-euc", stored=1)
    assert f"# {ran.stdout.strip()}" in text


def shape(value: Any) -> Any:
    """Return the structure of a response, without its figures."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value) if value is None or isinstance(value, str) else float


@pytest.mark.slow
def test_the_questions_have_answers_like_those_shown(make_server: Callable[..., Any]) -> None:
    server = make_server()
    assert server.footfall("demo", "--events", "4000").returncode == 0
    key = server.footfall("key", "create", "demo", "--scope", "read").stdout.strip()
    server.start()
    asked = re.findall(r"^ask '(.+)'\n((?:# .*\n)+)", "\n".join(fences("sh", DOCS["ask.md"])), re.MULTILINE)
    assert len(asked) == 5
    for question, answer in asked:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        got = server.client.post("/graphql", content=question, headers=headers).json()
        said = json.loads("".join(line[2:].strip() for line in answer.splitlines()))
        assert shape(got) == shape(said), question


def test_every_command_that_a_document_names_exists() -> None:
    known = subprocess.run([sys.executable, "-m", "server", "--help"], capture_output=True, text=True, check=True).stdout
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name, text in DOCS.items():
        code = "\n".join([*re.findall(r"`([^`\n]+)`", text), *fences("sh", text)])
        for command in re.findall(r"^(?:sudo )?(?:FOOTFALL_\w+=\S+ )*footfall ([a-z][a-z-]*)", code, re.MULTILINE):
            assert f" {command} " in known, (name, command)
        for target in re.findall(r"^make ([a-z-]+)", code, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), (name, target)
