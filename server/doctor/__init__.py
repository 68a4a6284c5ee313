"""Checks for `footfall doctor`: each reports a finding and how to fix it.

The checks change nothing: they create no folder, database or secret, lock and migrate nothing, and keep SQLite from writing files. They
are safe to run beside a server, before the first start, and on a damaged installation.

machine_checks  Python, SQLite, the clock, memory, open files, the user, the bundled folders
folder_checks   the data folder, its disk and its permissions; the secret
store_checks    the SQLite file: integrity, migrations, permissions, contents
history_checks  the columnar history and its files
service_checks  PostgreSQL and Redis, if configured
network_checks  the address and port, proxies, limits
client_checks   clients that post to paths that the server does not serve
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from server.doctor import folder_checks, history_checks, machine_checks, network_checks, service_checks, store_checks
from server.doctor.finding import Finding
from server.settings import Settings

__all__ = ["Finding", "examine"]

# The subject of each check, for the message if the check itself fails.
CHECKS: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
    ("the versions of Python and SQLite", machine_checks.versions),
    ("the clock", machine_checks.clock),
    ("memory and open files", machine_checks.limits),
    ("the user", machine_checks.user),
    ("the package", machine_checks.bundles),
    ("the data folder", folder_checks.data_folder),
    ("the disk", folder_checks.disk),
    ("the secret", folder_checks.secret),
    ("the store", store_checks.database),
    ("the history", history_checks.history),
    ("Redis", service_checks.shared),
    ("the port", network_checks.port),
    ("the network settings", network_checks.address),
)


async def examine(settings: Settings) -> list[Finding]:
    """Run all checks for these settings, in the order of `CHECKS`. Never raises, and changes nothing."""
    return await asyncio.to_thread(_examine, settings)


def _examine(settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    for about, check in CHECKS:
        try:
            findings.extend(check(settings))
        except PermissionError as error:
            what = f"{about} cannot be examined: no permission for {error.filename}"
            findings.append(Finding("problem", what, "run this as the user who runs Footfall"))
        except Exception as error:
            findings.append(Finding("problem", f"{about} cannot be examined: {type(error).__name__}: {error}", "please report this"))
    return findings
