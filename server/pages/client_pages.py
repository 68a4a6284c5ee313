"""The clients to copy into a tool: their files, and the page that shows them with this server's URL."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from litestar import Request

from server.pages.markup import escape, figure, slug
from server.pages.reference_entries import BASE
from server.services import Services

AnyRequest = Request[object, object, Services]

ADDRESS = "https://stats.example.com"  # the placeholder in the examples
_KINDS = {
    ".py": "text/x-python",
    ".sh": "text/x-shellscript",
    ".js": "text/javascript",
    ".ts": "text/plain",
    ".go": "text/x-go",
    ".rs": "text/x-rust",
}


class Language(NamedTuple):
    """A client: its files, its requirements, and examples as (caption, file)."""

    title: str
    files: tuple[str, ...]
    needs: str
    examples: tuple[tuple[str, str], ...]


LANGUAGES = (
    Language(
        "Python",
        ("footfall.py",),
        "Python 3.8 or later, the standard library only.",
        (("Any program", "python.py"), ("click, typer", "python_click.py"), ("argparse", "python_argparse.py")),
    ),
    Language(
        "Shell",
        ("footfall.sh",),
        "Any POSIX shell: dash, bash, ksh, busybox. Needs `awk`, and `curl` or `wget`.",
        (("A script", "shell.sh"),),
    ),
    Language(
        "JavaScript",
        ("footfall.js", "footfall.d.ts"),
        "Node.js 18 or later, Deno, Bun, and browsers.",
        (
            ("Any program", "javascript.js"),
            ("commander", "javascript_commander.js"),
            ("oclif", "javascript_oclif.js"),
            ("A page", "javascript_browser.js"),
        ),
    ),
    Language(
        "Go",
        ("footfall.go",),
        "Go 1.19 or later, the standard library only.",
        (("Any program", "go.go"), ("cobra", "go_cobra.go")),
    ),
    Language(
        "Rust",
        ("footfall.rs",),
        "Rust 1.63 or later, the standard library only; sends with `curl`, since that library has no TLS.",
        (("Any program", "rust.rs"), ("clap", "rust_clap.rs")),
    ),
)


class Client(NamedTuple):
    """A file to copy."""

    body: bytes
    kind: str
    etag: str


class Clients:
    """All client files, and the page's content. `folder` is `settings.bundled("static") / "clients"`."""

    def __init__(self, folder: Path) -> None:
        self.files = {path.name: _client(path) for path in sorted(folder.iterdir()) if path.is_file() and path.suffix in _KINDS}
        self.content = "\n".join(_section(language, folder / "examples") for language in LANGUAGES)
        self.navigation = "".join(f'<a href="#{slug(language.title)}">{escape(language.title)}</a>' for language in LANGUAGES)


def _client(path: Path) -> Client:
    body = path.read_bytes()
    return Client(body, _KINDS[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _section(language: Language, examples: Path) -> str:
    """Render the section of a language: commands and examples, which the page's script fills in."""
    fetched = "\n".join(f"curl -fO {BASE}/clients/{name}" for name in language.files)
    links = ", ".join(f'<a href="/clients/{name}">{name}</a>' for name in language.files)
    shown = [figure("Get it", escape(fetched), "command", copy=True)]
    for caption, name in language.examples:
        source = escape((examples / name).read_text(encoding="utf-8").strip()).replace(ADDRESS, BASE)
        shown.append(figure(escape(caption), source, "example", copy=True))
    needs = escape(language.needs).replace("`", "")
    return (
        f'<section class="client" id="{slug(language.title)}"><h2>{escape(language.title)}</h2>'
        f"<p>{needs} Source: {links}.</p>{''.join(shown)}</section>"
    )
