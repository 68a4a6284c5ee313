"""Persisted operations: the documents in `graphql/operations/`, which clients can name instead of sending their text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from graphql import DocumentNode
from strawberry.extensions import SchemaExtension

from server.settings import bundled


class KnownOperations:
    """The documents of a folder by name and by SHA-256 in hexadecimal."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = bundled("graphql") / "operations" if folder is None else folder
        self._texts: dict[str, str] = {}
        for path in sorted(folder.glob("*.graphql")):
            text = path.read_text(encoding="utf-8")
            self._texts[path.stem] = self._texts[hashlib.sha256(path.read_bytes()).hexdigest()] = text
        self._all = frozenset(self._texts.values())
        self._checked: dict[str, DocumentNode] = {}

    def text(self, name: str) -> str | None:
        """Return the document with this name or hash."""
        return self._texts.get(name)

    def has(self, text: str) -> bool:
        """Return whether a text is one of the documents."""
        return text in self._all

    def valid_document(self, text: str | None) -> DocumentNode | None:
        """Return the parsed document, if it was validated before."""
        return self._checked.get(text or "")

    def keep(self, text: str, document: DocumentNode) -> None:
        """Cache a validated document. Only persisted operations are cached, so clients cannot fill the memory."""
        if self.has(text):
            self._checked[text] = document

    def cache_extension(self) -> type[SchemaExtension]:
        """Return an extension that parses and validates each document once."""
        known = self

        class DocumentCache(SchemaExtension):
            def on_parse(self) -> Iterator[None]:
                self.execution_context.graphql_document = known.valid_document(self.execution_context.query)
                yield

            def on_validate(self) -> Iterator[None]:
                context = self.execution_context
                if known.valid_document(context.query) is not None:
                    context.pre_execution_errors = []
                yield
                if not context.pre_execution_errors and context.query and context.graphql_document:
                    known.keep(context.query, context.graphql_document)

        return DocumentCache
