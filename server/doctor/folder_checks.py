"""The data folder: is it there, can it be written, who else can read it, is there room; and the secret."""

from __future__ import annotations

import os
import shlex
import shutil
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
# WAL needs memory that the processes on one machine share.
_NETWORK_FILESYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "fuse.s3fs", "glusterfs", "ceph", "afs")
_MOUNTS = Path("/proc/self/mounts")


def command(*words: object) -> str:
    """A command for the operator's shell, quoted."""
    return f"`{shlex.join(map(str, words))}`"


def store_files(settings: Settings) -> list[Path]:
    """The SQLite file and its companions, as far as they are there."""
    path = settings.sqlite_path
    return [file for suffix in ("", "-wal", "-shm") if (file := path.with_name(path.name + suffix)).exists()]


def read_only(path: Path) -> bool:
    """Whether the filesystem takes no writes, whoever asks."""
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def data_folder(settings: Settings) -> Iterator[Finding]:
    """Whether it is there, or could be made; whether it can be written; who else can read what is in it."""
    folder = settings.data_dir
    if not folder.exists():
        yield _missing(folder)
        return
    if not folder.is_dir():
        yield Finding("problem", f"{folder} is no folder", "move it away, or set FOOTFALL_DATA_DIR")
        return
    if read_only(folder):
        what = f"the data folder {folder} is on a filesystem that is read-only"
        yield Finding("problem", what, "mount it for writing, or set FOOTFALL_DATA_DIR")
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
        return Finding("ok", f"the data folder {folder} is not there yet", "`footfall serve` makes it")
    fix = f"{command('sudo', 'install', '-d', '-m', '700', '-o', _user(), folder)}, or set FOOTFALL_DATA_DIR"
    return Finding("problem", f"the data folder {folder} is not there, and cannot be made in {above}", fix)


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    path = path.absolute()
    return next(above for above in (path, *path.parents) if above.exists())


def _user() -> str:
    return str(os.geteuid())


def _filesystem(settings: Settings) -> Iterator[Finding]:
    kind = _filesystem_of(settings.data_dir.resolve())
    if kind in _NETWORK_FILESYSTEMS and not settings.database_url:
        what = f"the data folder is on a network filesystem ({kind}), on which SQLite cannot keep data safe"
        yield Finding("problem", what, "set FOOTFALL_DATA_DIR to a folder on a disk of this machine")


def _filesystem_of(path: Path) -> str:
    """The kind of filesystem as Linux names it, empty where it is not known."""
    if not _MOUNTS.exists():
        return ""
    mounts = [line.split() for line in _MOUNTS.read_text().splitlines()]
    kinds = {Path(fields[1].replace("\\040", " ")): fields[2] for fields in mounts if len(fields) > 2}
    return next((kinds[above] for above in (path, *path.parents) if above in kinds), "")


def _exposed(settings: Settings) -> Iterator[Finding]:
    """Who else may read what is stored. The folder's own permissions come first: nobody reads through a closed one."""
    folder = settings.data_dir
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH:
        yield Finding("problem", f"everybody on this machine may write to the data folder {folder}", command("chmod", "700", folder))
    for file in store_files(settings):
        bits = file.stat().st_mode
        fix = f"{command('chmod', '700', folder)} and {command('chmod', '600', file)}"
        if bits & stat.S_IROTH and mode & stat.S_IXOTH:
            yield Finding("problem", f"everybody on this machine may read {file}", fix)
        elif bits & stat.S_IRGRP and mode & stat.S_IXGRP:
            yield Finding("warning", f"its group may read {file}", fix)


def _owners(settings: Settings) -> Iterator[Finding]:
    """Files that a command run as somebody else left behind."""
    owner = settings.data_dir.stat().st_uid
    for file in (*store_files(settings), settings.data_dir / "secret"):
        if file.exists() and file.stat().st_uid != owner:
            what = f"{file} does not belong to the owner of its folder, who may not be able to use it"
            yield Finding("warning", what, command("sudo", "chown", owner, file))


def disk(settings: Settings) -> Iterator[Finding]:
    """The room on the disk that has the data folder, or would have it."""
    where = _nearest(settings.data_dir)
    usage = shutil.disk_usage(where)
    what = f"{size(usage.free)} of {size(usage.total)} are free on the disk of {where}"
    fix = "make room, shorten FOOTFALL_RETENTION_DAYS, or move FOOTFALL_DATA_DIR to a larger disk"
    if usage.free < NO_ROOM:
        yield Finding("problem", f"only {what}: events will soon be refused", fix)
    elif usage.free < LITTLE_ROOM or usage.free < LITTLE_SHARE * usage.total:
        yield Finding("warning", f"only {what}", fix)
    else:
        yield Finding("ok", what)


def secret(settings: Settings) -> Iterator[Finding]:
    """What keys the hashes: without the same one again, no install is recognised."""
    path = settings.data_dir / "secret"
    there = settings.data_dir.is_dir() and os.access(settings.data_dir, os.X_OK) and path.exists()
    if settings.secret:
        yield from _from_settings(settings.secret, path if there else None)
    elif there:
        yield from _kept(path)
    elif settings.sqlite_path.exists():
        what = f"there is a database, but {path} is missing: a new secret would be made, and no install be recognised again"
        yield Finding("problem", what, "restore the file from a backup, or set FOOTFALL_SECRET to what it was")
    else:
        yield Finding("ok", "there is no secret yet", "`footfall serve` makes it")


def _from_settings(given: str, path: Path | None) -> Iterator[Finding]:
    if path is not None and os.access(path, os.R_OK) and path.read_text(errors="replace").strip() != given:
        what = f"FOOTFALL_SECRET is not the secret in {path}: installs from before it was set are not recognised"
        yield Finding("warning", what, f"leave FOOTFALL_SECRET out, or remove {path} where that is how it should be")
    else:
        yield Finding("ok", "the secret comes from FOOTFALL_SECRET")


def _kept(path: Path) -> Iterator[Finding]:
    if not path.is_file() or not os.access(path, os.R_OK):
        yield Finding("problem", f"the secret in {path} cannot be read", f"{_OWN}: {command('sudo', 'chown', _user(), path)}")
        return
    bits = stat.S_IMODE(path.stat().st_mode)
    if bits & 0o077:
        yield Finding("problem", f"others may read or change the secret in {path} (its mode is {bits:04o})", command("chmod", "600", path))
    if len(path.read_bytes().strip()) < SHORTEST_SECRET:
        fix = "restore it from a backup; only where nothing is stored yet, remove it, and `footfall serve` makes another"
        yield Finding("problem", f"{path} holds no usable secret", fix)
    elif not bits & 0o077:
        yield Finding("ok", f"the secret is in {path}, for its owner only")
