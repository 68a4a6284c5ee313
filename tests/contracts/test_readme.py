"""The README keeps its promises: every setting is in it as it is, and its snippets work when pasted."""

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

README = Path(__file__).parents[2] / "README.md"
DOCS = README.read_text(encoding="utf-8")


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)


def documented() -> dict[str, str]:
    return dict(re.findall(r"^\| `(FOOTFALL_[A-Z_]+)` \|([^|]*)\|", DOCS, re.MULTILINE))


def test_every_setting_is_documented_with_its_default_and_no_other() -> None:
    defaults = {setting.metadata["name"]: setting.metadata["default"] for setting in fields(Settings)}
    table = documented()
    assert table.keys() == defaults.keys()
    for name, default in defaults.items():
        if default and name not in ("FOOTFALL_SECRET", "FOOTFALL_ADMIN_TOKEN"):
            assert table[name].strip().startswith(default), name


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"FOOTFALL_PORT": "eighty"}, "FOOTFALL_PORT"),
        ({"FOOTFALL_PORT": "-1"}, "FOOTFALL_PORT"),
        ({"FOOTFALL_RATE_LIMIT": "many"}, "FOOTFALL_RATE_LIMIT"),
        ({"FOOTFALL_MAX_BODY": "ten"}, "FOOTFALL_MAX_BODY"),
        ({"FOOTFALL_PUBLIC": "counters,secrets"}, "FOOTFALL_PUBLIC"),
        ({"FOOTFALL_TRUSTED_PROXIES": "10.0.0.0/99"}, "FOOTFALL_TRUSTED_PROXIES"),
        ({"FOOTFALL_NONSENSE": "1"}, "FOOTFALL_NONSENSE is no setting; `footfall doctor` lists"),
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


def test_a_doctor_who_is_given_a_wrong_setting_names_it_and_lists_them_all(make_server: Callable[..., Any]) -> None:
    ran = make_server(FOOTFALL_RATE_LIMITS="1").footfall("doctor")
    assert ran.returncode == 1
    assert "FOOTFALL_RATE_LIMITS is no setting" in ran.stderr
    assert all(name in ran.stdout for name in documented())


def test_settings_come_from_the_environment_then_the_file_then_the_default(tmp_path: Path) -> None:
    file = tmp_path / "footfall.env"
    file.write_text("# ours\nexport FOOTFALL_PORT=9000\nFOOTFALL_MAX_BODY='20 KiB'\nFOOTFALL_RATE_LIMIT=off\n")
    settings = load({"FOOTFALL_CONFIG": str(file), "FOOTFALL_PORT": "9100"})
    assert (settings.port, settings.max_body, settings.rate_limit, settings.host) == (9100, 20 * 1024, None, "127.0.0.1")
    assert load({"PORT": "7000"}).port == 7000
    assert load({"PORT": "7000", "FOOTFALL_PORT": "7001"}).port == 7001


def test_the_snippets_work_when_pasted(make_server: Callable[..., Any], tmp_path: Path) -> None:
    server = make_server().start()

    def adapted(text: str) -> str:
        return text.replace("http://127.0.0.1:8000", server.url)

    env = {**os.environ, "HOME": str(tmp_path), "MYTOOL_TELEMETRY": "on", "MYTOOL_NO_TELEMETRY": "", "DO_NOT_TRACK": ""}
    env.pop("CI", None)
    (fetch,) = [text for text in fences("sh") if "/clients/" in text]
    subprocess.run(["sh", "-euc", adapted(fetch)], env=env, check=True, timeout=30, cwd=tmp_path, capture_output=True)
    (python,) = fences("python")
    subprocess.run([sys.executable, "-c", adapted(python)], env=env, check=True, timeout=30, cwd=tmp_path)
    (line,) = [text for text in fences("sh") if "/dl/my-pack &" in text]
    ran = subprocess.run(["sh", "-euc", adapted(line)], env=env, check=True, timeout=30, capture_output=True)
    assert (ran.stdout, ran.stderr) == (b"", b"")
    for body in re.findall(r"curl -s http://127\.0\.0\.1:8000(/\S+) -d '(.*?)'", "\n".join(fences("sh")), re.DOTALL):
        answer = server.client.post(body[0], content=body[1])
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "duplicates": 0, "rejected": []})
    deadline = time.monotonic() + 30
    stored = 'footfall_events_total{project="default",result="stored"} 3.0'
    while stored not in server.client.get("/metrics").text and time.monotonic() < deadline:
        time.sleep(0.05)
    assert stored in server.client.get("/metrics").text
    assert server.client.get("/counts").json() == {"my-pack": {"total": 1, "last7d": 1, "today": 1}}


def shape(value: Any) -> Any:
    """What an answer is made of, without its figures."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value) if value is None or isinstance(value, str) else float


def test_the_questions_have_answers_like_those_shown(make_server: Callable[..., Any]) -> None:
    server = make_server()
    assert server.footfall("demo", "--events", "4000").returncode == 0
    key = server.footfall("key", "create", "demo", "--scope", "read").stdout.strip()
    server.start()
    asked = re.findall(r"^ask '(.+)'\n((?:# .*\n)+)", "\n".join(fences("sh")), re.MULTILINE)
    assert len(asked) == 5
    for question, answer in asked:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        got = server.client.post("/graphql", content=question, headers=headers).json()
        said = json.loads("".join(line[2:].strip() for line in answer.splitlines()))
        assert shape(got) == shape(said), question


def test_every_command_that_the_readme_names_exists() -> None:
    known = subprocess.run([sys.executable, "-m", "server", "--help"], capture_output=True, text=True, check=True).stdout
    for command in re.findall(r"footfall ([a-z][a-z-]*)", DOCS):
        assert f" {command} " in known, command
    makefile = (README.parent / "Makefile").read_text()
    for target in re.findall(r"make ([a-z]+)", DOCS):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
