"""The OpenAPI document is the truth: schemathesis makes requests from it, good and bad, and each answer must be one that it allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, server_class: Any) -> Iterator[Any]:
    running = server_class(tmp_path_factory.mktemp("schema"), {}).start()
    yield schemathesis.openapi.from_url(f"{running.url}/openapi.json")
    assert running.process.poll() is None
    assert "_failed" not in running.log.read_text()
    running.close()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.timeout(300)
def test_every_answer_is_one_that_the_document_allows(api: Any, mode: GenerationMode) -> None:
    tried = set()
    for found in api.get_all_operations():
        operation = found.ok()
        tried.add(f"{operation.method.upper()} {operation.path}")

        @settings(max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(generation_mode=mode))
        def story(case: Any) -> None:
            # What a schema cannot say (sixteen levels, no lone surrogates, 1e300 is no integer) makes "right" and "wrong" inexact here;
            # what must hold is that every answer is one of those that the document promises, of the shape that it promises.
            case.call_and_validate(excluded_checks=[negative_data_rejection, positive_data_acceptance])

        try:
            story()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, operation.path  # a route without input cannot be asked wrongly
    assert {"POST /v1/events", "POST /dl/{pack}", "POST /api/track", "GET /counts"} <= tried
