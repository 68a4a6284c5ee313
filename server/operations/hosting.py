"""Commands for the host machine: a health check, and a systemd unit."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import rich_click as click

from server import probe
from server.settings import bundled
from server.terminal import warn

_STATE = Path("/var/lib")


@click.command(name="health")
def health_command() -> None:
    """Check the health of the running server. Exits with 1 if it is not healthy."""
    sys.exit(probe.main())


@click.command(name="systemd")
@click.option("--user", default="footfall", show_default=True, help="The user that runs the server.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("/var/lib/footfall"), show_default=True, help="The data folder.")
def systemd_command(user: str, data: Path) -> None:
    """Print a sandboxed systemd unit: footfall systemd > /etc/systemd/system/footfall.service."""
    command, data = program(), data.absolute()
    for path in (Path(command.split()[0]), data):
        if path.is_relative_to("/home") or path.is_relative_to("/root"):
            warn(f"{path} is in a home folder, which the unit cannot read (ProtectHome): use another one, such as /opt/footfall")
    if not data.is_relative_to(_STATE):
        warn(f"systemd does not create this data folder: sudo install --directory --owner={user} --group={user} --mode=0700 {data}")
    click.echo(unit(command, user, data), nl=False)


def unit(command: str, user: str, data: Path) -> str:
    """Fill in the program, the user and the data folder of `static/pages/footfall.service`. systemd creates a folder in /var/lib only."""
    template = (bundled("static") / "pages" / "footfall.service").read_text(encoding="utf-8")
    created = f"StateDirectory={data.relative_to(_STATE)}\nStateDirectoryMode=0700\n" if data.is_relative_to(_STATE) else ""
    return template.replace("{program}", command).replace("{user}", user).replace("{data}", str(data)).replace("{state}\n", created)


def program() -> str:
    """The absolute path of the running program."""
    if getattr(sys, "frozen", False):
        return sys.executable
    started = Path(sys.argv[0])
    if started.name == "footfall" and started.exists():
        return str(started.absolute())
    return shutil.which("footfall") or f"{os.path.abspath(sys.executable)} -m server"  # noqa: PTH100 - keeps the symlink of a virtual environment


COMMANDS: tuple[click.Command, ...] = (health_command, systemd_command)
