"""Commands for the host machine: a health check, and a systemd unit."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import rich_click as click

from server import probe
from server.settings import bundled


@click.command(name="health")
def health_command() -> None:
    """Check the health of the running server. Exits with 1 if it is not healthy."""
    sys.exit(probe.main())


@click.command(name="systemd")
@click.option("--user", default="footfall", show_default=True, help="The user that runs the server.")
@click.option("--data", type=click.Path(path_type=Path), default=Path("/var/lib/footfall"), show_default=True, help="The data folder.")
def systemd_command(user: str, data: Path) -> None:
    """Print a sandboxed systemd unit: footfall systemd > /etc/systemd/system/footfall.service."""
    click.echo(unit(program(), user, data), nl=False)


def unit(command: str, user: str, data: Path) -> str:
    """Fill in the program, the user and the data folder of `static/pages/footfall.service`."""
    template = (bundled("static") / "pages" / "footfall.service").read_text(encoding="utf-8")
    return template.replace("{program}", command).replace("{user}", user).replace("{data}", str(data.absolute()))


def program() -> str:
    """The absolute path of the running program."""
    if getattr(sys, "frozen", False):
        return sys.executable
    started = Path(sys.argv[0])
    if started.name == "footfall" and started.exists():
        return str(started.absolute())
    return shutil.which("footfall") or f"{os.path.abspath(sys.executable)} -m server"  # noqa: PTH100 - keeps the symlink of a virtual environment


COMMANDS: tuple[click.Command, ...] = (health_command, systemd_command)
