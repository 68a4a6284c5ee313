"""Checks of the data folder (existence, permissions, disk space) and of the secret."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from server.doctor.finding import Finding, size
from server.settings import Settings

LITTLE_ROOM = 1 << 30
LITTLE_SHARE = 0.1
NO_ROOM = 100 << 20
SHORTEST_SECRET = 16

_OWN = "give it to the user who runs Footfall"
# WAL mode needs memory that is shared between processes on one machine.
_NETWORK_FILESYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.s3fs", "glusterfs", "ceph", "afs")
_MOUNTS = Path("/proc/self/mounts")


def command(*words: object) -> str:
    """Quote a command for the operator's shell."""
    return f"`{shlex.join(map(str, words))}`"


def store_files(settings: Settings) -> list[Path]:
    """The existing files of the SQLite store: the database and its companions."""
    path = settings.sqlite_path
    return [file for suffix in ("", "-wal", "-shm") if (file := path.with_name(path.name + suffix)).exists()]


def read_only(path: Path) -> bool:
    """Check whether the filesystem is mounted read-only."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def read_only_uri(path: Path) -> str | None:
    """The URI that opens the file without writing to it or beside it, or None if that is impossible."""
    wal, shm = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    base = path.resolve().as_uri()
    if wal.exists() and shm.exists():
        return f"{base}?mode=ro&readonly_shm=1"
    return None if wal.exists() and wal.stat().st_size else f"{base}?mode=ro&immutable=1"


def data_folder(settings: Settings) -> Iterator[Finding]:
    """Check that the folder exists or can be created, that it is writable, and that other users cannot read it."""
    folder = settings.data_dir
    if not folder.exists():
        yield _missing(folder)
        return
    if not folder.is_dir():
        yield Finding("problem", f"{folder} is not a folder", "move it away, or set FOOTFALL_DATA_DIR")
        return
    if read_only(folder):
        what = f"the data folder {folder} is on a read-only filesystem"
        yield Finding("problem", what, "mount it read-write, or set FOOTFALL_DATA_DIR")
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        fix = f"{_OWN}: {command('sudo', 'chown', '-R', _user(), folder)}, and {command('chmod', '700', folder)}"
        yield Finding("problem", f"the data folder {folder} cannot be written", fix)
    else:
        yield Finding("ok", f"the data folder {folder.resolve()} can be written")
    yield from _filesystem(settings)
    if os.access(folder, os.X_OK):
        yield from _exposed(settings)
        yield from _owners(settings)


def _missing(folder: Path) -> Finding:
    above = _nearest(folder)
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK) and not read_only(above):
        return Finding("ok", f"the data folder {folder} does not exist yet", "`footfall serve` creates it")
    fix = f"{command('sudo', 'install', '-d', '-m', '700', '-o', _user(), folder)}, or set FOOTFALL_DATA_DIR"
    return Finding("problem", f"the data folder {folder} does not exist and cannot be created in {above}", fix)


def _nearest(path: Path) -> Path:
    """The path, or its nearest existing parent."""
    path = path.absolute()
    return next(above for above in (path, *path.parents) if above.exists())


def _user() -> str:
    return str(os.geteuid())


def _filesystem(settings: Settings) -> Iterator[Finding]:
    kind = _filesystem_of(settings.data_dir.resolve())
    if kind in _NETWORK_FILESYSTEMS and not settings.database_url:
        what = f"the data folder is on a network filesystem ({kind}), where SQLite can corrupt data"
        yield Finding("problem", what, "set FOOTFALL_DATA_DIR to a folder on a local disk")


def _filesystem_of(path: Path) -> str:
    """The type of a filesystem as Linux names it, or an empty string if unknown."""
    if not _MOUNTS.exists():
        return ""
    mounts = [line.split() for line in _MOUNTS.read_text().splitlines()]
    kinds = {Path(fields[1].replace("\\040", " ")): fields[2] for fields in mounts if len(fields) > 2}
    return next((kinds[above] for above in (path, *path.parents) if above in kinds), "")


def _exposed(settings: Settings) -> Iterator[Finding]:
    """Check which other users can read the stored data. A closed folder protects everything in it."""
    folder = settings.data_dir
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH:
        yield Finding("problem", f"every user on this machine can write to the data folder {folder}", command("chmod", "700", folder))
    for file in store_files(settings):
        bits = file.stat().st_mode
        fix = f"{command('chmod', '700', folder)} and {command('chmod', '600', file)}"
        if bits & stat.S_IROTH and mode & stat.S_IXOTH:
            yield Finding("problem", f"every user on this machine can read {file}", fix)
        elif bits & stat.S_IRGRP and mode & stat.S_IXGRP:
            yield Finding("warning", f"the group of {file} can read it", fix)


def _owners(settings: Settings) -> Iterator[Finding]:
    """Find files that a command left behind when run as another user."""
    owner = settings.data_dir.stat().st_uid
    for file in (*store_files(settings), settings.data_dir / "secret"):
        if file.exists() and file.stat().st_uid != owner:
            what = f"{file} is not owned by the owner of its folder, who may be unable to use it"
            yield Finding("warning", what, command("sudo", "chown", owner, file))


def disk(settings: Settings) -> Iterator[Finding]:
    """Check the free space on the disk of the data folder."""
    where = _nearest(settings.data_dir)
    usage = shutil.disk_usage(where)
    what = f"{size(usage.free)} of {size(usage.total)} are free on the disk of {where}"
    fix = "free up space, shorten FOOTFALL_RETENTION_DAYS, or move FOOTFALL_DATA_DIR to a larger disk"
    if usage.free < NO_ROOM:
        yield Finding("problem", f"only {what}: the server will soon reject events", fix)
    elif usage.free < LITTLE_ROOM or usage.free < LITTLE_SHARE * usage.total:
        yield Finding("warning", f"only {what}", fix)
    else:
        yield Finding("ok", what)


def secret(settings: Settings) -> Iterator[Finding]:
    """Check the secret that keys the hashes. With another secret, the server recognizes no install."""
    path = settings.data_dir / "secret"
    there = settings.data_dir.is_dir() and os.access(settings.data_dir, os.X_OK) and path.exists()
    if settings.secret:
        yield from _from_settings(settings.secret, path if there else None)
    elif there:
        yield from _kept(path)
    elif settings.sqlite_path.exists() and _has_installs(settings.sqlite_path):
        what = f"there is a database, but {path} is missing: the server would create a new secret and recognize no install"
        yield Finding("problem", what, "restore the file from a backup, or set FOOTFALL_SECRET to its content")
    else:
        yield Finding("ok", "there is no secret yet", "`footfall serve` creates it")


def _has_installs(path: Path) -> bool:
    """Return False for a store without installs, such as one that only `footfall project create` wrote to; True if it cannot be read."""
    uri = read_only_uri(path)
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=1.0)) if uri else contextlib.nullcontext() as connection:
            return connection is None or bool(connection.execute("SELECT EXISTS (SELECT 1 FROM install)").fetchone()[0])
    except sqlite3.Error:
        return True


def _from_settings(secret: str, path: Path | None) -> Iterator[Finding]:
    if path is not None and os.access(path, os.R_OK) and path.read_text(errors="replace").strip() != secret:
        what = f"FOOTFALL_SECRET is not the secret in {path}: installs from before this setting are not recognized"
        yield Finding("warning", what, f"remove FOOTFALL_SECRET, or delete {path} if the change is intended")
    else:
        yield Finding("ok", "the secret comes from FOOTFALL_SECRET")


def _kept(path: Path) -> Iterator[Finding]:
    if not path.is_file() or not os.access(path, os.R_OK):
        yield Finding("problem", f"the secret in {path} cannot be read", f"{_OWN}: {command('sudo', 'chown', _user(), path)}")
        return
    bits = stat.S_IMODE(path.stat().st_mode)
    if bits & 0o077:
        yield Finding(
            "problem", f"other users can read or change the secret in {path} (its mode is {bits:04o})", command("chmod", "600", path)
        )
    if len(path.read_bytes().strip()) < SHORTEST_SECRET:
        fix = "restore it from a backup; or, if nothing is stored yet, delete it: `footfall serve` creates another"
        yield Finding("problem", f"{path} contains no usable secret", fix)
    elif not bits & 0o077:
        yield Finding("ok", f"the secret is in {path}, for its owner only")
