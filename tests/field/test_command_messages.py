"""Messages of commands: complete, in one line each, and secrets alone on standard output."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from server.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder whose path looks like markup and like an emoji, and is longer than a line of a terminal."""
    data = tmp_path / "data[bold]" / ":key:" / ("long" * 25)
    data.mkdir(parents=True)
    monkeypatch.setenv("FOOTFALL_DATA_DIR", str(data))
    return data


def test_a_message_shows_the_whole_path_in_one_line(folder: Path) -> None:
    result = CliRunner().invoke(main, ["migrate"])
    assert result.exit_code == 0, result.output
    assert f"✓ {folder / 'footfall.sqlite3'} is up to date\n" in result.stdout


def test_an_unknown_project_is_reported_alike_by_every_command(folder: Path) -> None:
    assert CliRunner().invoke(main, ["migrate"]).exit_code == 0
    expected = "✗ project nosuch does not exist; `footfall project list` lists all projects\n"
    commands = (["ledger", "nosuch"], ["ask", "nosuch"], ["question", "list", "nosuch"], ["key", "create", "nosuch"], ["forward", "nosuch"])
    for arguments in commands:
        result = CliRunner().invoke(main, arguments)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        assert result.stderr.endswith(expected), arguments


def test_a_script_reads_nothing_but_the_secret_from_standard_output(folder: Path) -> None:
    for arguments in (["key", "create", "default"], ["login-link"]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        assert len(result.stdout.split()) == 1, arguments
        assert "shown only once" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["ledger", "default"], ["job"], ["job", "check_rollups"], ["backup"], ["export", "events"], ["ask", "question", "events"], ["install", "show", "x"],
        ["login-link"], ["project", "list"], ["key", "list"], ["alert", "list"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_command_in_the_wrong_folder_is_an_error_and_creates_no_store(folder: Path, command: list[str]) -> None:
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no store" in result.stderr
    assert str(folder) in result.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", [["project", "create", "tool"], ["key", "create", "default"]], ids=" ".join)
def test_a_server_can_be_set_up_before_its_first_start(folder: Path, command: list[str]) -> None:
    assert CliRunner().invoke(main, command).exit_code == 0
    assert (folder / "footfall.sqlite3").exists()
