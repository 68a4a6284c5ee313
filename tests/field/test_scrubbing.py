"""Promises about secrets: they are removed from every text before it is changed or cut."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import rows_of

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KIND = "RSA PRIVATE"
PEM = f"-----BEGIN {KIND} KEY-----\nMIIEowIBAAKCAQEA1c7PlantedKey9z5Pad7OejecsQ0b\n-----END {KIND} KEY-----"
FILLED = "a b " * 60
# The text that is sent, and the part of it that must not be stored.
SECRETS = [
    ("/Users/plantedann", "plantedann"),
    (JWT, JWT[:20]),
    (PEM, "PlantedKey"),
    ("Linux plantedhost 5.15.0-91-generic #101-Ubuntu SMP", "plantedhost"),
    ("ssh plantedann@laptop", "plantedann"),
    ("PLANTEDCORP\\plantedann", "plantedann"),
    ("curl -u plantedann:plantedpw https://x.example", "plantedpw"),
    ("wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYPLANTEDKEY", "bPxRfiCYPLANTED"),
    ("ghp_" + "A1b2" * 9, "A1b2A1b2"),
]
# A text of one field that is cut in the middle of a secret: (field, characters that are kept).
CUTS = [("os", 64), ("arch", 64), ("version", 64), ("runtime", 64), ("package_manager", 64)]


def stored(field: Any) -> str:
    tables = ("event", "context", "install", "target", "event_name", "error_type", "rejected", "rollup_dimension")
    return "".join(str(row) for table in tables for row in rows_of(field.server.store, f"SELECT * FROM {table}")).lower()


def test_a_secret_is_taken_out_before_a_text_is_lower_cased_or_cut(field: Any) -> None:
    for number, (text, _) in enumerate(SECRETS):
        for name, _ in CUTS:
            assert field.post({"name": "x", "installation_id": f"i{number}", name: text[:100]}).status_code == 202
        error = {"type": FILLED[:190] + text, "message": FILLED * 16 + FILLED[:130] + text}
        assert (
            field.post({"name": "x", "error": error, "installation_id": "i", "properties": {"a": text, text[:100]: 1}}).status_code == 202
        )
        sonic = {
            "installation_id": "i",
            "event_type": "e",
            "properties": {"os": f"x {text}", "nodeVersion": text, "errorType": FILLED[:190] + text},
        }
        assert field.post({"data": sonic}).status_code == 201
        metadata = {"userAgent": FILLED + text, "note": text}
        view = {"targetType": "doc", "targetId": "1", "kind": "copy", "metadata": metadata}
        assert field.post(view, "/v1/engagement").status_code == 202
    kept = stored(field)
    assert [part for _, part in SECRETS if part.lower() in kept] == []


@pytest.mark.parametrize(("name", "limit"), CUTS)
def test_an_address_or_a_password_is_not_left_by_a_cut(field: Any, name: str, limit: int) -> None:
    for offset in (4, 12, 20):
        before = ("w " * limit)[: limit - offset]
        for secret in ("plantedmary@corp.example", "https://me:plantedword@host.example"):
            sonic = {
                "os": f"{before}{secret}",
                "arch": f"{before}{secret}",
                "version": f"{before}{secret}",
                "packageManager": f"{before}{secret}",
            }
            assert field.post({"data": {"installation_id": "i", "event_type": "e", "properties": sonic}}).status_code == 201
            assert field.post({"name": "x", "installation_id": "i", name: f"{before}{secret}"[:100]}).status_code == 202
    for part in ("plantedma", "plantedwo"):
        rows = field.rows("SELECT os, arch, runtime, version, package_manager FROM context")
        assert part not in str(rows)


@pytest.mark.one_path
def test_a_key_that_is_a_secret_or_an_id_is_not_shown_in_a_path(field: Any) -> None:
    token, uuid = "ghp_" + "A1b2" * 9, "3f2b8c1e-9a4d-4f7b-8a21-5d0c9b7e6f10"
    for key in (token, uuid, "plain_key"):
        answer = field.post(f'{{"name":"x","installation_id":"i","properties":{{"{key}":1e999}}}}')
        assert answer.status_code == 400
        assert ("plain_key" in answer.text) is (key == "plain_key")
        assert key == "plain_key" or key not in answer.text
    field.post({"name": "next", "installation_id": "i"})  # its commit writes the refusals, too
    tray = field.ledger()["tray"]
    assert sorted(each["errors"][0]["path"] for each in tray) == ["properties.*", "properties.*", "properties.plain_key"]
    assert token not in str(tray)
    assert uuid not in str(tray)


@pytest.mark.one_path
def test_a_long_secret_is_not_cut_in_half_in_the_rejected_tray(field: Any) -> None:
    long = "https://me:" + "plantedword" * 30 + "@host.example/x"
    assert field.post({"name": 5, "installation_id": "i", "properties": {"url": long}}).status_code == 422
    field.post({"name": "next", "installation_id": "i"})
    (kept,) = field.ledger()["tray"]
    assert "plantedword" not in kept["excerpt"]


@pytest.mark.one_path
@pytest.mark.parametrize("said", ["11.0.22631.4317", "MyOS", "Windows_NT", "ubuntu-22.04", "Linux Mint 21.2"])
def test_ordinary_names_of_systems_stay(field: Any, said: str) -> None:
    field.post({"name": "x", "installation_id": "i", "os": said})
    ((kept,),) = field.rows(
        f"SELECT context.os FROM context JOIN event ON event.context_id = context.id JOIN project ON project.id = event.project_id"
        f" WHERE slug = '{field.slug}'"
    )
    assert kept == {"Windows_NT": "windows"}.get(said, said.lower())
