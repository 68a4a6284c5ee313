"""The routes of the reference page: the document's operations, split by family, with equal routes merged."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import msgspec

from server.pages.markup import pretty, slug

Document = dict[str, Any]
Schema = dict[str, Any]

BASE = "{{base}}"  # stands for the server's URL


class Example(msgspec.Struct):
    """A sample request as a command, and its response. `command` is plain text that contains `BASE`; `body` is its last part, if any."""

    title: str
    command: str
    body: str
    status: int
    answer: Any = None


class Entry(msgspec.Struct):
    """One route of one family. `also` lists other paths of the same route."""

    family: str
    method: str
    path: str
    summary: str
    description: str
    operation: dict[str, Any]
    bodies: list[Schema]
    answers: dict[int, str]
    others: dict[int, str]
    examples: list[Example]
    also: list[str]

    @property
    def anchor(self) -> str:
        return slug(self.family, self.method, self.path)


class Reader:
    """Reads an OpenAPI document and resolves its references."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.components: dict[str, Any] = document["components"]

    def families(self) -> Iterator[tuple[str, str, list[Entry]]]:
        """Yield the title, the introduction and the routes of each family."""
        entries = self._entries()
        for tag in self.document["tags"]:
            yield tag["name"], tag.get("description", ""), [entry for entry in entries if entry.family == tag["name"]]

    def resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        """Resolve a reference."""
        while "$ref" in value:
            _, _, section, name = value["$ref"].split("/", 3)
            value = self.components[section][name]
        return value

    def parameters(self, entry: Entry) -> list[dict[str, Any]]:
        return [self.resolved(parameter) for parameter in entry.operation.get("parameters", ())]

    def _entries(self) -> list[Entry]:
        found: dict[tuple[str, ...], Entry] = {}
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                for entry in self._variants(path, method.upper(), operation):
                    known = found.setdefault((entry.family, entry.method, entry.summary, entry.description), entry)
                    if known is not entry:
                        known.also.append(path)
        return list(found.values())

    def _variants(self, path: str, method: str, operation: dict[str, Any]) -> Iterator[Entry]:
        responses = {int(status): self.resolved(response) for status, response in operation["responses"].items()}
        texts = {status: str(response["description"]) for status, response in responses.items()}
        for variant in operation.get("x-footfall-variants") or [_whole(operation, texts)]:
            answers = {int(status): text for status, text in variant["answers"].items()}
            yield Entry(
                family=variant["family"],
                method=method,
                path=path,
                summary=variant["summary"].removesuffix(f" ({variant['family']})"),
                description=variant["description"],
                operation=operation,
                bodies=variant["bodies"],
                answers=answers,
                others={status: text for status, text in texts.items() if status >= 400 and status not in answers},
                examples=list(self._examples(path, method, operation, responses, variant)),
                also=[],
            )

    def _examples(
        self, path: str, method: str, operation: dict[str, Any], responses: dict[int, dict[str, Any]], variant: dict[str, Any]
    ) -> Iterator[Example]:
        keyed = "security" in operation and {} not in operation["security"]
        command = _command(method, self._filled(path, operation), keyed=keyed)
        success = min(int(status) for status in variant["answers"])
        bodies = _content(operation.get("requestBody", {})).get("examples", {})
        for name in variant["examples"]:
            body = shlex.quote(pretty(bodies[name]["value"]))
            status, answer = next(
                (status, found["value"])
                for status, response in responses.items()
                if (found := _content(response).get("examples", {}).get(name)) is not None
            )
            yield Example(bodies[name]["summary"], f"curl {BASE}{path} -d {body}", body, status, answer)
        if not variant["examples"]:
            answers = list(_content(responses[success]).get("examples", {}).values())
            yield Example("", command, "", success, answers[0]["value"] if answers else None)

    def _filled(self, path: str, operation: dict[str, Any]) -> str:
        """Return the path, with examples for its required parameters."""
        query = []
        for parameter in map(self.resolved, operation.get("parameters", ())):
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", str(parameter.get("example", "peon")))
            elif parameter["in"] == "query" and parameter.get("required"):
                example = parameter["schema"].get("example", "")
                query += [f"{parameter['name']}={each}" for each in (example if isinstance(example, list) else [example])]
        return f"{path}?{'&'.join(query)}" if query else path


def _whole(operation: dict[str, Any], texts: dict[int, str]) -> dict[str, Any]:
    """Return an operation of a single family in the form of a variant."""
    return {
        "family": operation["tags"][0],
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "bodies": [],
        "examples": [],
        "answers": texts,
    }


def _command(method: str, path: str, *, keyed: bool) -> str:
    address = f"'{BASE}{path}'" if "&" in path else f"{BASE}{path}"
    return " ".join(
        ["curl", *(["-H 'Authorization: Bearer YOUR_KEY'"] if keyed else []), *([] if method == "GET" else [f"-X {method}"]), address]
    )


def _content(response: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = response.get("content", {}).get("application/json", {})
    return content
