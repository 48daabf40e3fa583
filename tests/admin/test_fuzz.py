"""Requests that schemathesis makes of the OpenAPI document, right ones and wrong ones: no answer is a 5xx.

They are asked of a node of its own process with the role admin, so that what changes state is reached too.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from diag.admin.openapi import document
from diag.perf.node_process import NodeProcess

#: Made of each route in each mode; fewer of those that take a profile, as each holds the profiler.
EXAMPLES, OF_PROFILES = 10, 3
#: A wrong request may be one for a profile of the default's five seconds: it is let go.
PATIENCE = 1.5


def quick(told: dict[str, Any]) -> dict[str, Any]:
    """The document with short profiles and waits alone."""
    told = copy.deepcopy(told)
    for methods in told["paths"].values():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                if parameter["name"] == "seconds":
                    parameter |= {"required": True, "schema": {"enum": [0.1]}}
                if parameter["name"] in {"wait", "duration"}:
                    parameter |= {"required": True, "schema": {"enum": [1]}}
    return told


SCHEMA = schemathesis.openapi.from_dict(quick(document("0")))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]
RIGHT, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE


def can_be_wrong(operation: Any) -> bool:
    """Whether the document asks for anything that a request could fail to have."""
    raw = operation.definition.raw
    return bool(raw["parameters"] or raw["security"] or "requestBody" in raw)


CASES = [(one, RIGHT) for one in OPERATIONS] + [(one, WRONG) for one in OPERATIONS if can_be_wrong(one)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(tmp_path_factory.mktemp("fuzz") / "node") as running:
        yield running


@pytest.mark.parametrize(
    ("operation", "mode"), CASES, ids=[f"{one.label} {mode.value}" for one, mode in CASES]
)
def test_no_request_is_answered_by_a_failure(node: NodeProcess, operation: Any, mode: GenerationMode) -> None:
    takes = any(parameter.name == "seconds" for parameter in operation.query)
    answers: Counter[int | str] = Counter()

    @settings(
        max_examples=OF_PROFILES if takes else EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        try:
            response = case.call(base_url=f"http://{node.admin}", timeout=PATIENCE)
        except requests.Timeout:
            answers["no answer in time"] += 1
            return
        answers[response.status_code] += 1
        assert response.status_code < 500, f"{case.method} {response.request.url}: {response.text}"

    ask()
    print(operation.label, mode.value, dict(answers))  # noqa: T201 - pytest -rP shows the summary
    assert answers, "nothing was asked"
    assert httpx.get(f"http://{node.admin}/livez").text == "ok\n"
