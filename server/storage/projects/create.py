"""Creates projects and keys, and revokes keys."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable

import msgspec

from server import logs
from server.clock import epoch_ms
from server.storage.projects.validation import (
    ADMINS,
    CLIENT_KEY,
    DEFAULT,
    KEY_PREFIX,
    SCOPES,
    SETTINGS_KEY_NAME,
    SLUG,
    FieldProblem,
    ProblemKind,
    ProjectError,
    hash_key,
    read_list,
    validate_limit,
)
from server.storage.tables import ApiKey, Project

log = logs.get(__name__)


async def ensure_default() -> None:
    """Create the default project, which receives events that name no project."""
    if not await Project.exists().where(Project.slug == DEFAULT):
        with contextlib.suppress(FieldProblem):  # several servers may start at once
            await create_project(DEFAULT, name="Default")


async def ensure_admin(token: str | None) -> str | None:
    """Ensure that an admin can log in: with the token of the settings, or with a token created at the first start and returned once.

    An admin's key belongs to no project. A new token in the settings replaces the previous one, which may have leaked.
    """
    if token is not None:
        known = await ApiKey.select(ApiKey.revoked_at).where(ApiKey.hash == hash_key(token)).first()
        if known is None:
            await _insert_key(ADMINS, token, SETTINGS_KEY_NAME, ("admin",))  # or another server that starts at the same time
            others = (ApiKey.name == SETTINGS_KEY_NAME) & (ApiKey.hash != hash_key(token))
            await ApiKey.update({ApiKey.revoked_at: epoch_ms()}).where((ApiKey.project_id == ADMINS) & ApiKey.revoked_at.is_null() & others)
        elif known["revoked_at"] is not None:
            log.warning("admin_token_revoked", meaning="FOOTFALL_ADMIN_TOKEN was revoked and is not accepted: set a new one")
        return None
    if await ApiKey.exists().where((ApiKey.project_id == ADMINS) & ApiKey.revoked_at.is_null()):
        return None
    made = _new_key()
    await _insert_key(ADMINS, made, "first admin", ("admin",))
    return made


async def create_project(
    slug: str,
    *,
    name: str = "",
    hosts: Iterable[str] = (),
    requires_key: bool = False,
    rate_limit: str | None = None,
    event_limit: str | None = None,
) -> int:
    """Create a project and return its number. Raises ProjectError if the slug, a host or a limit is invalid or taken."""
    if not SLUG.fullmatch(slug):
        raise FieldProblem("slug", "must be 1 to 40 of a-z, 0-9 and -, and begin with a letter or digit")
    if await Project.exists().where(Project.slug == slug):
        raise FieldProblem("slug", "is already taken", ProblemKind.TAKEN)
    requested = [host.strip().lower() for host in hosts]
    taken = {host for row in await Project.select(Project.hosts) for host in read_list(row["hosts"])}
    if taken.intersection(requested):
        raise FieldProblem("hosts", "includes a host that is already taken", ProblemKind.TAKEN)
    project = Project(
        slug=slug,
        name=name or slug,
        created_at=epoch_ms(),
        requires_key=requires_key,
        hosts=msgspec.json.encode(requested).decode(),
        rate_limit=validate_limit(rate_limit),
        event_limit=validate_limit(event_limit),
    )
    # If two servers create it at the same moment, the second one gets the error.
    rows = await Project.insert(project).on_conflict(target=Project.slug, action="DO NOTHING").returning(Project.id)
    if not rows:
        raise FieldProblem("slug", "is already taken", ProblemKind.TAKEN)
    return int(rows[0]["id"])


async def find_project(slug: str) -> int:
    """Return the number of a project. Raises ProjectError if no project has the slug."""
    row = await Project.select(Project.id).where(Project.slug == slug).first()
    if row is None:
        raise ProjectError(f"project {slug} does not exist; `footfall project list` lists all projects")
    return int(row["id"])


async def create_key(
    project_id: int,
    *,
    name: str,
    scopes: Iterable[str],
    rate_limit: str | None = None,
    event_limit: str | None = None,
    client_key: str | None = None,
) -> tuple[int, str]:
    """Create a key. Return its number and the key itself, which is not stored and cannot be shown again."""
    requested = tuple(dict.fromkeys(scopes))
    if not requested or not set(requested) <= set(SCOPES):
        raise FieldProblem("scopes", f"must be one or more of {', '.join(SCOPES)}")
    limits = validate_limit(rate_limit), validate_limit(event_limit)
    key = _new_key() if client_key is None else await _adoptable(client_key, requested)
    number = await _insert_key(project_id, key, name, requested, *limits)
    if number is None:  # another project adopted it at the same time
        raise _taken()
    return number, key


async def _adoptable(key: str, scopes: tuple[str, ...]) -> str:
    """Return a key that another system issued, if it can name a project here. It is public in many programs, so it may only send events."""
    if scopes != ("ingest",):
        raise FieldProblem("scopes", "must be ingest only for a key of another system")
    if not CLIENT_KEY.fullmatch(key) or key.startswith(KEY_PREFIX):
        raise FieldProblem("clientKey", f"must have 8 to 200 letters, digits, and any of . _ : ~ + / = -, and not begin with {KEY_PREFIX}")
    if await ApiKey.exists().where(ApiKey.hash == hash_key(key)):
        raise _taken()
    return key


def _taken() -> FieldProblem:
    return FieldProblem("clientKey", "is already the key of a project, or was revoked", ProblemKind.TAKEN)


def _new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(24)


async def _insert_key(
    project_id: int, key: str, name: str, scopes: tuple[str, ...], rate_limit: str | None = None, event_limit: str | None = None
) -> int | None:
    """Insert a key and return its number, or None if the key exists."""
    row = ApiKey(
        project_id=project_id,
        hash=hash_key(key),
        hint=key[: len(KEY_PREFIX) + 4] if key.startswith(KEY_PREFIX) else "",
        name=name,
        scopes=msgspec.json.encode(scopes).decode(),
        rate_limit=rate_limit,
        event_limit=event_limit,
        created_at=epoch_ms(),
    )
    rows = await ApiKey.insert(row).on_conflict(target=ApiKey.hash, action="DO NOTHING").returning(ApiKey.id)
    return int(rows[0]["id"]) if rows else None


async def revoke_key(key_id: int) -> None:
    """Revoke a key. Raises ProjectError if there is no such key."""
    if not await ApiKey.exists().where(ApiKey.id == key_id):
        raise ProjectError(f"there is no key {key_id}; `footfall key list` shows them all")
    await ApiKey.update({ApiKey.revoked_at: epoch_ms()}).where((ApiKey.id == key_id) & ApiKey.revoked_at.is_null())
