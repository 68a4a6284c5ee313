"""What `footfall doctor` says: what is well, what is not, and how to mend it.

Looking changes nothing: no folder, database or secret is made, nothing is locked or migrated, and SQLite writes no file of its own. So it
may run beside a server, before the first one, and on what is broken.

machine   Python, SQLite, the clock, memory, open files, the user, the folders that travel with the package
folder    the data folder, its disk and its permissions; the secret
store     the SQLite file: is it whole, is it up to date, can it be written, what is in it
shared    PostgreSQL and Redis, where they are wanted
network   the address and port, proxies, limits
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from server.doctor import folder_checks, machine_checks, network_checks, service_checks, store_checks
from server.doctor.finding import Finding
from server.settings import Settings

__all__ = ["Finding", "examine"]

# What each looks at, for the case that it fails itself.
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
    ("Redis", service_checks.shared),
    ("the port", network_checks.port),
    ("the network settings", network_checks.address),
)


async def examine(settings: Settings) -> list[Finding]:
    """Everything that can be said of these settings on this machine, in the order of `CHECKS`. Never raises, and changes nothing."""
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
