"""docs/architecture.md has the layers that import-linter enforces."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_layers_is_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("containers") == ["server"])
    enforced = [sorted(re.findall(r"\w+", layer)) for layer in layers]
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (`server/[^|]+) \|", text.partition("## The path of an event")[0], re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    assert [sorted(re.findall(r"`server/(\w+)(?:/|\.py)`", modules)) for _, modules in rows] == enforced
