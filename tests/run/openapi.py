"""What schemathesis asks of a server by its own OpenAPI."""

from __future__ import annotations

from typing import Any

import pytest


def check_openapi(app: Any, n_examples: int) -> list[str]:
    """Ask every route as the schema allows, and as it does not; returns the routes.

    Raises:
        Exception: of schemathesis, where an answer is not what the schema says.
    """
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        negative_data_rejection,
        response_schema_conformance,
        status_code_conformance,
    )

    # Not positive_data_acceptance: a row may have any columns by the schema, and those of the run alone are right.
    checks = [
        not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance, negative_data_rejection,
    ]  # fmt: skip
    seen = []
    for operation in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations():
        one = operation.ok()
        seen.append(one.path)

        @settings(max_examples=n_examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(case=one.as_strategy())
        def run(case: Any) -> None:
            case.call_and_validate(checks=checks, timeout=300)

        run()
    return sorted(seen)
