"""Whatever bytes a provider sends: the request ends in an answer, 422 or 502, and within its deadline."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from local.llm_stub import LlmStub, Raw, Reply, Says, Status, Usage
from local.stack import Stack
from rowcall import bootstrap
from rowcall.bootstrap import Services
from rowcall.errors import Problem
from tests.wire.conftest import RIDDLE, TOP, TOP_SQL, ask, proposal

PROVIDERS = ("anthropic", "openai")
DEADLINE = 5.0
WORDS = """
SELECT FROM WHERE name * ( ) , customers orders count :s0 :s1_start 1 'x' ; -- JOIN ON = GROUP BY ORDER LIMIT DELETE
UNION WITH AS id $1 \\ " % ::date NULL CASE WHEN END
"""

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
sql = st.one_of(
    st.sampled_from(["SELECT count(*) FROM orders", TOP_SQL]),
    st.text(max_size=200),
    st.lists(
        st.sampled_from(WORDS.split()),
        max_size=25,
    ).map(" ".join),
)
fields = st.fixed_dictionaries(
    {},
    optional={
        "outcome": st.sampled_from(["sql", "cannot_answer", "clarify"]) | anything,
        "sql": sql | anything,
        "constants": st.lists(st.text(max_size=10), max_size=3) | anything,
        "tables": anything,
        "explanation": st.text() | anything,
        "reason": st.text() | anything,
        "suggestions": st.lists(st.text(max_size=60), max_size=6) | anything,
    },
)
numbers = st.integers(-5, 10**12)
usages = st.none() | st.builds(Usage, numbers, numbers, numbers, numbers)
replies: st.SearchStrategy[Reply] = st.one_of(
    st.builds(
        Raw, st.binary(max_size=300), st.sampled_from(["application/json", "text/html", "", "text/event-stream"])
    ),
    st.builds(Raw, anything.map(lambda found: json.dumps(found).encode())),
    st.builds(Says, tool=fields | anything, usage=usages),
    st.builds(Says, text=st.text(max_size=200), usage=usages),
    st.builds(Says, tool=fields, stop=st.text(max_size=20), refusal=st.text(max_size=20)),
    st.builds(Says, tool=sql.map(lambda text: proposal(text))),
    st.builds(Status, st.integers(200, 599), st.just({}), st.binary(max_size=100)),
)


@pytest.fixture(scope="module")
def stub() -> Iterator[LlmStub]:
    with LlmStub() as running:
        yield running


@pytest.fixture(scope="module")
def asked(stack: Stack, database_url: str, stub: LlmStub) -> Iterator[dict[str, Services]]:
    assert stack.bridge
    environ: dict[str, str] = {
        "DATABASE_URL": database_url,
        "UPSTASH_REDIS_REST_URL": stack.bridge.url,
        "UPSTASH_REDIS_REST_TOKEN": stack.bridge.token,
        "PLAN_SEAL_KEY": "k" * 32,
        "LLM_TIMEOUT": "1",
        "LLM_RETRIES": "1",
        "PLAN_REPAIRS": "1",
    }
    keys = {
        "anthropic": {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": stub.url},
        "openai": {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": f"{stub.url}/v1"},
    }
    started = {name: bootstrap.start(environ | keys[name] | {"PLANNERS": name}) for name in PROVIDERS}
    yield started
    for services in started.values():
        services.close()


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=replies, second=replies, query=st.sampled_from([RIDDLE, TOP]))
def test_any_reply_ends_in_an_answer_422_or_502_in_time(
    asked: dict[str, Services], stub: LlmStub, stack: Stack, provider: str, first: Reply, second: Reply, query: str
) -> None:
    assert stack.bridge
    stack.bridge.command("FLUSHALL")
    stub.reset()
    stub.default = second
    stub.script(first)
    begin = time.monotonic()
    problem = None
    try:
        found = ask(asked[provider], query, seconds=DEADLINE)
    except Problem as caught:
        problem = caught
    assert time.monotonic() - begin < DEADLINE
    event(problem.code if problem else "answer")
    if problem is None:
        assert found.plan.planner == provider
    else:
        assert problem.kind.status in (422, 502)
        assert problem.detail.isprintable()
        assert len(problem.detail) <= 600
