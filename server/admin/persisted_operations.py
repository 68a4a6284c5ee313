"""Operations that are known: those in `graphql/operations/`. The dashboard names them by hash, a script by name, and neither sends their text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from graphql import DocumentNode
from strawberry.extensions import SchemaExtension

from server.settings import bundled


class Known:
    """The documents in a folder, as they are written there, by name and by SHA-256 in hexadecimal."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = bundled("graphql") / "operations" if folder is None else folder
        self._texts: dict[str, str] = {}
        for path in sorted(folder.glob("*.graphql")):
            text = path.read_text(encoding="utf-8")
            self._texts[path.stem] = self._texts[hashlib.sha256(path.read_bytes()).hexdigest()] = text
        self._all = frozenset(self._texts.values())
        self._checked: dict[str, DocumentNode] = {}

    def text(self, name: str) -> str | None:
        """The document of this name or hash."""
        return self._texts.get(name)

    def has(self, text: str) -> bool:
        """Whether a text is one of the documents."""
        return text in self._all

    def checked(self, text: str | None) -> DocumentNode | None:
        """The document that this text is, where it was found to be good before."""
        return self._checked.get(text or "")

    def keep(self, text: str, document: DocumentNode) -> None:
        """Remember that this text is good; only for documents of ours, so that nobody fills the memory."""
        if self.has(text):
            self._checked[text] = document

    def remembered(self) -> type[SchemaExtension]:
        """The extension that has each of the documents read and checked once, and not each time it is asked."""
        known = self

        class Remembered(SchemaExtension):
            def on_parse(self) -> Iterator[None]:
                self.execution_context.graphql_document = known.checked(self.execution_context.query)
                yield

            def on_validate(self) -> Iterator[None]:
                context = self.execution_context
                if known.checked(context.query) is not None:
                    context.pre_execution_errors = []
                yield
                if not context.pre_execution_errors and context.query and context.graphql_document:
                    known.keep(context.query, context.graphql_document)

        return Remembered
