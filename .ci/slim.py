"""Delete what the server never imports from an installation, and the symbols of its libraries: for the image.

Usage: python .ci/slim.py SITE_PACKAGES
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

# Dependencies of dependencies: for tests, templates, code formatting and installing. The binary leaves them out as well.
UNUSED = (
    "faker", "polyfactory", "black", "blackd", "blib2to3", "jinja2", "markupsafe", "pathspec", "pytokens", "dns", "email_validator", "targ",
    "pip", "setuptools", "pkg_resources", "_distutils_hack", "pydantic", "pydantic_core", "docstring_parser", "tests",
)  # fmt: skip
PATTERNS = ("*__mypyc*.so", "distutils-precedence.pth", "*-stubs", "**/*.pyx", "**/*.pxd", "**/*.c", "**/*.h", "**/*.pyi", "**/*.js.map")


def slim(site: Path) -> None:
    """Delete the unused packages and files of a site-packages folder, and strip its libraries."""
    for path in [*(site / name for name in UNUSED), *(path for pattern in PATTERNS for path in site.glob(pattern))]:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
    libraries = [path for path in site.rglob("*.so*") if path.is_file() and not path.is_symlink()]
    subprocess.run(["strip", "--strip-unneeded", *libraries], check=True)


if __name__ == "__main__":
    slim(Path(sys.argv[1]))
