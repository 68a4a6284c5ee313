"""`graphql/` matches the server: the schema is current, and every operation runs."""

from __future__ import annotations

import hashlib
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    parse,
    validate,
)

from server.admin import enums, schema_export
from server.settings import PUBLIC_PARTS, bundled
from server.storage.projects import SCOPES, project_changes
from server.storage.upkeep import alert_rules, job_runs

FOLDER = bundled("graphql")
OPERATIONS = sorted((FOLDER / "operations").glob("*.graphql"))
VARIABLES: dict[str, dict[str, Any]] = {
    "Breakdown": {"by": "OS"},
    "Counters": {"type": "pack", "ids": ["peon"]},
    "Ask": {"question": {"by": [{"field": "os"}]}},
    "AskFunnel": {"funnel": {"steps": [{"name": name, "where": [{"field": "name", "values": [name]}]} for name in ("init", "build")]}},
    "AskPaths": {"paths": {"event": [{"field": "name", "values": ["build"]}]}},
    "AskRetention": {"retention": {"by": [{"field": "os"}]}},
    "FieldValues": {"field": "os"},
    "ErrorSamples": {"errorType": "ConfigError"},
    "Funnel": {"names": ["installation_started", "installation_completed"]},
    "Experiment": {"property": "shell"},
    "CreateProject": {"slug": "made-by-contract"},
    "UpdateProject": {"slug": "made-by-contract", "changes": {"retentionDays": 30}},
    "ArchiveProject": {"slug": "made-by-contract"},
    "RestoreProject": {"slug": "made-by-contract"},
    "AnnounceVersion": {"slug": "made-by-contract", "latest": {"version": "1.0.0"}},
    "SetTarget": {"slug": "made-by-contract", "type": "pack", "id": "peon", "visibility": "PRIVATE"},
    "CreateKey": {"slug": "made-by-contract", "scopes": ["READ"]},
    "SaveQuestion": {"slug": "made-by-contract", "name": "one", "question": {}},
    "RenameQuestion": {"slug": "made-by-contract", "name": "one", "newName": "other"},
    "DeleteQuestion": {"slug": "made-by-contract", "name": "other"},
    "CreateShare": {"slug": "made-by-contract", "name": "two"},
    "RevokeShare": {"slug": "made-by-contract", "id": "999"},
    "RevokeKey": {"id": "999"},
    "RevokeSession": {"id": "999"},
    "CreateAlert": {"slug": "made-by-contract", "alert": {"kind": "NEW_ERROR", "url": "https://127.0.0.1/hook"}},
    "DeleteAlert": {"id": "999"},
    "TestAlert": {"id": "999"},
    "UpdateAlert": {"id": "999", "changes": {"enabled": False}},
    "RunJob": {"name": "nothing"},
    "EraseInstall": {"installationId": "unknown"},
}
# Mutations that fail with errors: unknown id, private webhook, unknown job.
REFUSED = {
    "CreateShare",
    "RevokeShare",
    "RevokeKey",
    "RevokeSession",
    "CreateAlert",
    "DeleteAlert",
    "TestAlert",
    "UpdateAlert",
    "RunJob",
    "EraseInstall",
}
FIRST = ["CreateProject", "UpdateProject", "ArchiveProject", "RestoreProject", "SaveQuestion", "RenameQuestion", "DeleteQuestion"]


@cache
def current() -> str:
    """The schema of the server. Printing it takes 0.2 s."""
    return schema_export.text()


@cache
def built() -> GraphQLSchema:
    return build_schema(current())


def test_the_schema_is_the_one_in_the_file() -> None:
    assert (FOLDER / "schema.graphql").read_text() == current(), "run `make schema`; the test below names breaking changes"


@pytest.mark.parametrize(
    ("words_of", "kept"),
    [
        (enums.Scope, SCOPES), (enums.PublicPart, PUBLIC_PARTS), (enums.Visibility, project_changes.VISIBILITIES), (enums.JobResult, job_runs.RESULTS),
        (enums.AlertStatus, (alert_rules.WAITING, alert_rules.DELIVERED, alert_rules.FAILED)),
    ],
)  # fmt: skip
def test_enums_have_the_values_of_the_store(words_of: type[Enum], kept: tuple[str, ...]) -> None:
    assert {word.value for word in words_of} == set(kept)
    assert all(word.name == word.value.upper() for word in words_of)


@pytest.mark.slow
def test_breaking_changes_are_reported_and_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`make schema` keeps a removed field until a flag says that no release contains it."""
    promised = current().replace("  successRate: Change!\n", "  successRate: Change!\n  successRateOfOld: Change!\n", 1)
    assert promised != current()
    path = tmp_path / "schema.graphql"
    path.write_text(promised)
    assert schema_export.main([str(path)]) == 1
    assert "Field Overview.successRateOfOld was removed." in capsys.readouterr().err
    assert path.read_text() == promised
    assert schema_export.main([str(path), "--breaking"]) == 0
    assert path.read_text() == current()
    assert capsys.readouterr().err.count("breaks clients") == 1
    assert schema_export.main([str(path)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("  INGEST\n", "  INGEST_OF_OLD\n\n  INGEST\n"),
        ("orderBy: EventOrder! = NEWEST", "orderBy: EventOrder! = NEWEST\n    gone: Int"),
        ("  minimumEvents: Int! = 20", "  minimumEvents: Int! = 20\n  gone: Int"),
        ("  successRate: Float\n", "  successRate: Float!\n"),
    ],
)
def test_every_kind_of_breaking_change_is_found(now: str, then: str) -> None:
    assert now in current()
    assert len(schema_export.breaking_changes(current().replace(now, then, 1), current())) == 1


def test_additions_do_not_break_clients() -> None:
    fewer = current().replace("  OLDEST\n", "", 1)
    assert schema_export.breaking_changes(fewer.replace('  """Oldest first."""\n', "", 1), current()) == []


def test_everything_has_a_description() -> None:
    bare = []
    for name, kind in built().type_map.items():
        if name.startswith("__") or name in ("String", "Int", "Float", "Boolean", "ID"):
            continue
        if not kind.description:
            bare.append(name)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            bare += [f"{name}.{field}" for field, of in kind.fields.items() if not of.description]
            bare += [
                f"{name}.{field}({argument})"
                for field, of in kind.fields.items()
                for argument, its in of.args.items()
                if not its.description
            ]
        elif isinstance(kind, GraphQLInputObjectType):
            bare += [f"{name}.{field}" for field, its in kind.fields.items() if not its.description]
        elif isinstance(kind, GraphQLEnumType):
            bare += [f"{name}.{value}" for value, its in kind.values.items() if not its.description]
    assert bare == []


@pytest.mark.parametrize("path", OPERATIONS, ids=lambda path: path.stem)
def test_every_document_is_one_valid_operation_of_its_files_name(path: Path) -> None:
    document = parse(path.read_text())
    assert validate(built(), document) == []
    (operation,) = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    assert operation.name is not None
    assert operation.name.value == path.stem


def test_every_document_runs(admin: Any) -> None:
    names = [path.stem for path in OPERATIONS if path.stem != "Live"]  # tested in test_live.py
    for name in sorted(names, key=lambda name: (name not in FIRST, FIRST.index(name) if name in FIRST else 0)):
        data = admin.run(name, **{"slug": "demo", **VARIABLES.get(name, {})})
        if (
            "Result" not in name
            and (name in VARIABLES or name == "RevokeOtherSessions")
            and name
            not in (
                "Ask",
                "AskFunnel",
                "AskPaths",
                "AskRetention",
                "Breakdown",
                "Counters",
                "ErrorSamples",
                "Experiment",
                "FieldValues",
                "Funnel",
            )
        ):
            (result,) = data.values()
            assert bool(result["errors"]) == (name in REFUSED), (name, result)
        else:
            assert all(value is not None for value in data.values()), (name, data)


def test_a_document_may_be_sent_by_its_hash(admin: Any) -> None:
    path = FOLDER / "operations" / "Projects.graphql"
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(path.read_bytes()).hexdigest()}}
    answer = admin.client.post("/graphql", json={"extensions": extensions}).json()
    assert {project["slug"] for project in answer["data"]["projects"]["nodes"]} >= {"default", "demo"}
    extensions["persistedQuery"]["sha256Hash"] = "0" * 64
    answer = admin.client.post("/graphql", json={"extensions": extensions}).json()
    assert answer["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


def test_a_document_may_be_sent_by_its_name(admin: Any) -> None:
    answer = admin.client.post("/graphql", json={"operationName": "Overview", "variables": {"slug": "demo"}}).json()
    assert answer["data"] == admin.run("Overview", slug="demo")
    answer = admin.client.post("/graphql", json={"operationName": "Nonsense"}).json()
    assert answer["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
