"""A checkout passes the acceptance test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.shipping.acceptance import accept

COMMAND = (sys.executable, "-m", "server")


@pytest.mark.slow
def test_a_checkout_serves_on_sqlite(make_form: Callable[..., Any]) -> None:
    accept(make_form(COMMAND), make_form(COMMAND))


@pytest.mark.slow
def test_a_checkout_serves_on_postgres_and_redis(make_form: Callable[..., Any], scaled: dict[str, str]) -> None:
    accept(make_form(COMMAND, **scaled))
