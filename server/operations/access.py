"""`footfall login-link`: a way in for whoever runs the server and lost the first one."""

from __future__ import annotations

import rich_click as click

from server.settings import Settings
from server.storage.engine import Store
from server.storage.projects import ADMINS, create_key
from server.terminal import err, with_store

_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - where it listens, not where to look


@click.command(name="login-link")
@click.option("--base", help="The server's address, such as https://telemetry.example.org; this machine's own where it is left out.")
def login_link(base: str | None) -> None:
    """Make a new admin token and print the link that logs in with it. The token stays good until it is revoked (`footfall key`)."""

    async def work(_: Store, settings: Settings) -> tuple[str, int, str]:
        host = "127.0.0.1" if settings.host in _EVERYWHERE else settings.host
        return base or f"http://{host}:{settings.port}", *await create_key(ADMINS, name="login link", scopes=("admin",))

    address, number, token = with_store(work)
    err.print(f"[green]✓[/green] admin key {number}, shown this once:")
    click.echo(f"{address.rstrip('/')}/login#token={token}")
