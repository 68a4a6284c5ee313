"""The `footfall login-link` command, for operators who have lost their admin token."""

from __future__ import annotations

import rich_click as click

from server.settings import Settings, other_machine
from server.storage.engine import Store
from server.storage.projects import ADMINS, create_key
from server.terminal import err, succeed, with_store


@click.command(name="login-link")
@click.option(
    "--base",
    help="The server's address, such as https://telemetry.example.org. Defaults to FOOTFALL_PUBLIC_URL, or to the address of this machine.",
)
def login_link(base: str | None) -> None:
    """Create an admin token and print a login link. The token is valid until it is revoked with `footfall key revoke`."""

    async def work(_: Store, settings: Settings) -> tuple[str, str, int, str]:
        hint = "" if base or settings.public_url else other_machine(settings)
        return base or settings.url, hint, *await create_key(ADMINS, name="login link", scopes=("admin",))

    address, hint, number, token = with_store(work)
    succeed(f"admin key {number}, shown only once:", err)
    if hint:
        err.print(f"  {hint}", soft_wrap=True, markup=False)
    click.echo(f"{address.rstrip('/')}/login#token={token}")


COMMANDS: tuple[click.Command, ...] = (login_link,)
