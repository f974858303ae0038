"""Conversations over moto's DynamoDB, many at once, and their routes."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from api.main import handler
from local.bridge import Bridge
from rowcall import aws as rowcall_aws
from rowcall.auth import Principal
from rowcall.bootstrap import Services
from rowcall.chat import conversations as module
from rowcall.chat.conversations import (
    CONTENT_BYTES,
    EVIDENCE_BYTES,
    MOST_TURNS,
    TITLE_CHARACTERS,
    Conversations,
    Kept,
    Turn,
)
from rowcall.deadline import Deadline
from rowcall.errors import Problem
from rowcall.redaction import Redaction
from tests.gateway import Gateway, Reply
from tests.integration.appending import ANN, TABLE, append, patient
from tests.integration.test_api import environment, problem, serving
from tests.integration.test_identity import bearer, hs256, signing

BOB, OTHER_ANN = Principal("bob", "acme"), Principal("ann", "umbrella")
DAY = 86400


def soon() -> Deadline:
    return Deadline.after(60)


def says(text: str, **answer: Any) -> Turn:
    return Turn("user", text, [answer] if answer else [])


@pytest.fixture
def table(dynamodb: dict[str, str]) -> Iterator[Any]:
    found = rowcall_aws.table(dynamodb["CONVERSATIONS_TABLE"])
    yield found
    with found.batch_writer() as batch:
        for item in found.scan()["Items"]:
            batch.delete_item(Key={"place": item["place"], "entry": item["entry"]})
    found.meta.client.close()


@pytest.fixture
def kept(table: Any) -> Conversations:
    return Conversations(table, 30, Redaction(("card", "email")))


def all_turns(kept: Conversations, principal: Principal, conversation_id: str, limit: int = 50) -> list[Kept]:
    turns: list[Kept] = []
    after: int | None = 0
    while after is not None:
        _, page, after = kept.show(principal, conversation_id, after, limit, soon())
        turns += page
    return turns


def everything(table: Any) -> str:
    return json.dumps(table.scan()["Items"], default=str)


def not_found(call: Callable[[], object]) -> None:
    with pytest.raises(Problem) as raised:
        call()
    assert raised.value.code == "not_found"


def test_turns_are_kept_in_order_with_what_they_rest_on(kept: Conversations) -> None:
    answer = {
        "query": "count orders",
        "data": [{"n": 3}],
        "row_count": 1,
        "truncated": False,
        "meta": {"cost_usd": 0.1},
    }
    begun = kept.append(ANN, None, [says("how many orders?"), Turn("assistant", "Three.", [answer])], soon())
    assert kept.append(ANN, begun, [says("thanks")], soon()) == begun
    head, turns, following = kept.show(ANN, begun, 0, 50, soon())
    assert (head.id, head.title, head.turns, following) == (begun, "how many orders?", 3, None)
    assert head.created <= head.updated
    assert [(turn.sequence, turn.role, turn.content, turn.evidence, turn.cut) for turn in turns] == [
        (1, "user", "how many orders?", [], False),
        (2, "assistant", "Three.", [answer], False),
        (3, "user", "thanks", [], False),
    ]


@pytest.mark.timeout(300)  # moto copies the whole table for each of some thousand transactions
def test_a_hundred_at_once_lose_none_and_leave_no_gap(kept: Conversations, leads_to_aws: dict[str, str]) -> None:
    begun = kept.append(ANN, None, [says("begin")], soon())
    many = patient(leads_to_aws)

    def add(number: int) -> None:
        many.append(ANN, begun, [says(f"{number}"), Turn("assistant", f"{number}!")], Deadline.after(280))

    with ThreadPoolExecutor(100) as pool:
        list(pool.map(add, range(100)))
    turns = all_turns(kept, ANN, begun)
    assert [turn.sequence for turn in turns] == list(range(1, 202))
    assert {turn.content for turn in turns[1::2]} == {str(n) for n in range(100)}
    assert all(said.content + "!" == told.content for said, told in zip(turns[1::2], turns[2::2], strict=True))


def test_several_processes_lose_none(kept: Conversations, leads_to_aws: dict[str, str]) -> None:
    begun = kept.append(ANN, None, [says("begin")], soon())
    spawn = multiprocessing.get_context("spawn")
    names = [[f"{process}-{n}" for n in range(5)] for process in range(3)]
    processes = [spawn.Process(target=append, args=(leads_to_aws, begun, some)) for some in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)
        assert process.exitcode == 0
    turns = all_turns(kept, ANN, begun)
    assert [turn.sequence for turn in turns] == list(range(1, 17))
    assert sorted(turn.content for turn in turns[1:]) == sorted(name for some in names for name in some)
    for some in names:
        assert [turn.content for turn in turns if turn.content in some] == some


def test_pages_do_not_change_while_turns_are_added(kept: Conversations) -> None:
    begun = [kept.append(ANN, None, [says(f"question {n}")], soon()) for n in range(7)]
    seen, cursor = [], None
    for size in (3, 3, 1):
        found, cursor = kept.page(ANN, cursor, 3, soon())
        assert len(found) == size
        seen += found
        kept.append(ANN, begun[0], [says("again")], soon())
        kept.append(ANN, None, [says("a new one")], soon())
    assert cursor is None
    assert [one.title for one in seen] == [f"question {n}" for n in reversed(range(7))]
    assert all(later.created >= earlier.created for later, earlier in pairwise(seen))
    assert [one.turns for one in seen] == [1, 1, 1, 1, 1, 1, 3]


def test_a_page_that_is_just_full_is_the_last(kept: Conversations) -> None:
    begun = kept.append(ANN, None, [says(str(n)) for n in range(4)], soon())
    _, turns, following = kept.show(ANN, begun, 0, 2, soon())
    assert ([turn.sequence for turn in turns], following) == ([1, 2], 2)
    _, turns, following = kept.show(ANN, begun, 2, 2, soon())
    assert ([turn.sequence for turn in turns], following) == ([3, 4], None)
    assert kept.show(ANN, begun, 999, 2, soon())[1:] == ([], None)
    assert kept.page(ANN, None, 1, soon())[1] is None


@pytest.mark.parametrize("stranger", [BOB, OTHER_ANN, Principal("annacme", ""), Principal("", "acmeann")])
def test_what_belongs_to_somebody_else_is_not_there(kept: Conversations, stranger: Principal) -> None:
    begun = kept.append(ANN, None, [says("mine")], soon())
    not_found(lambda: kept.show(stranger, begun, 0, 50, soon()))
    not_found(lambda: kept.append(stranger, begun, [says("yours?")], soon()))
    not_found(lambda: kept.rename(stranger, begun, "yours", soon()))
    not_found(lambda: kept.delete(stranger, begun, soon()))
    assert kept.page(stranger, None, 20, soon()) == ([], None)
    own = kept.append(stranger, None, [says("theirs")], soon())
    for forged in (begun, "f" * 32, own):
        assert all(one.title == "theirs" for one in kept.page(stranger, forged, 20, soon())[0])
    assert [turn.content for turn in all_turns(kept, ANN, begun)] == ["mine"]


@pytest.mark.parametrize("wrong", ["", "x", "0" * 31, "0" * 33, "G" * 32, "0000000001", "#" * 40, "é" * 32, "0" * 5000])
def test_what_is_no_id_is_not_found(kept: Conversations, wrong: str) -> None:
    not_found(lambda: kept.append(ANN, wrong, [says("hello")], soon()))
    not_found(lambda: kept.show(ANN, wrong, 0, 50, soon()))
    not_found(lambda: kept.rename(ANN, wrong, "title", soon()))
    not_found(lambda: kept.delete(ANN, wrong, soon()))


def test_names_are_in_no_key(kept: Conversations, table: Any) -> None:
    kept.append(Principal("ann-the-first", "acme-corp"), None, [says("hello")], soon())
    assert "ann-the-first" not in everything(table)
    assert "acme-corp" not in everything(table)


def test_a_title_is_the_first_question_on_one_line(kept: Conversations) -> None:
    long = "what did\n\tour  customers " + "buy " * 100
    begun = kept.append(ANN, None, [Turn("assistant", "hello"), says(long)], soon())
    title = kept.show(ANN, begun, 0, 1, soon())[0].title
    assert title.startswith("what did our customers buy buy")
    assert title.endswith("…")
    assert len(title) <= TITLE_CHARACTERS
    assert kept.rename(ANN, begun, "  Our \n customers ", soon()).title == "Our customers"
    kept.append(ANN, begun, [says("another question")], soon())
    assert kept.show(ANN, begun, 0, 1, soon())[0].title == "Our customers"


@pytest.mark.parametrize("title", ["", " \n", "x" * 201, "a\0b", "a\u202eb"])
def test_what_is_no_title_is_refused(kept: Conversations, title: str) -> None:
    begun = kept.append(ANN, None, [says("hello")], soon())
    with pytest.raises(Problem) as raised:
        kept.rename(ANN, begun, title, soon())
    assert (raised.value.code, raised.value.fields[0][0]) == ("invalid_request", "title")


def test_nothing_is_left_of_what_is_deleted(kept: Conversations, table: Any) -> None:
    stays = kept.append(ANN, None, [says("stays")], soon())
    begun = kept.append(ANN, None, [says("goes")], soon())
    for _ in range(6):
        kept.append(ANN, begun, [says("goes too") for _ in range(MOST_TURNS)], soon())
    kept.delete(ANN, begun, soon())
    assert "goes" not in everything(table)
    assert begun not in everything(table)
    assert [one.id for one in kept.page(ANN, None, 20, soon())[0]] == [stays]
    not_found(lambda: kept.show(ANN, begun, 0, 50, soon()))
    not_found(lambda: kept.append(ANN, begun, [says("back")], soon()))
    not_found(lambda: kept.rename(ANN, begun, "back", soon()))
    not_found(lambda: kept.delete(ANN, begun, soon()))


def test_a_deletion_that_was_cut_short_is_not_seen_and_can_be_finished(
    kept: Conversations, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = kept.append(ANN, None, [says("goes")], soon())

    class Cut(Exception):
        pass

    def cut(*_: object) -> None:
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(kept, "_delete", cut)
        with pytest.raises(Cut):
            kept.delete(ANN, begun, soon())
    assert kept.page(ANN, None, 20, soon()) == ([], None)
    not_found(lambda: kept.show(ANN, begun, 0, 50, soon()))
    not_found(lambda: kept.append(ANN, begun, [says("back")], soon()))
    not_found(lambda: kept.rename(ANN, begun, "back", soon()))
    kept.delete(ANN, begun, soon())
    assert table.scan()["Items"] == []


def test_who_appends_while_it_is_deleted_leaves_nothing(
    kept: Conversations, table: Any, leads_to_aws: dict[str, str]
) -> None:
    begun = kept.append(ANN, None, [says("begin")], soon())
    many = patient(leads_to_aws)

    def add(n: int) -> str:
        try:
            return many.append(ANN, begun, [says(str(n))], soon())
        except Problem as refused:
            return refused.code

    with ThreadPoolExecutor(20) as pool:
        appended = [pool.submit(add, n) for n in range(40)]
        pool.submit(many.delete, ANN, begun, soon()).result()
        assert {"not_found"} <= {one.result() for one in appended} <= {"not_found", begun}
    assert table.scan()["Items"] == []


def test_what_has_expired_is_not_shown_before_it_is_swept(
    kept: Conversations, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 31 * DAY)
    gone = kept.append(ANN, None, [says("long ago")], soon())
    old = kept.append(ANN, None, [says("long ago, but gone on")], soon())
    monkeypatch.setattr(time, "time", lambda: now - 29 * DAY)
    kept.append(ANN, old, [says("later")], soon())
    monkeypatch.setattr(time, "time", lambda: now)
    assert [one.id for one in kept.page(ANN, None, 1, soon())[0]] == [old]
    head, turns, following = kept.show(ANN, old, 0, 1, soon())
    assert (head.turns, [turn.content for turn in turns], following) == (2, ["later"], None)
    not_found(lambda: kept.show(ANN, gone, 0, 50, soon()))
    not_found(lambda: kept.append(ANN, gone, [says("back")], soon()))
    not_found(lambda: kept.rename(ANN, gone, "back", soon()))
    expires = {item["entry"]: item["expires"] for item in table.scan()["Items"]}
    assert expires[old] == expires["0000000002"] == int(now) + 1 * DAY
    kept.rename(ANN, old, "renamed", soon())
    assert expires[old] == table.get_item(Key={"place": module._place(ANN), "entry": old})["Item"]["expires"]


def answer(rows: int, width: int = 100) -> dict[str, Any]:
    data = [{"n": n, "text": "ü" * (width // 2)} for n in range(rows)]
    return {"query": "q", "data": data, "row_count": rows, "truncated": False, "sql": "SELECT 1", "params": [1]}


def test_rows_are_left_out_before_anything_else(kept: Conversations) -> None:
    begun = kept.append(ANN, None, [says("all"), Turn("assistant", "Here.", [answer(5), answer(10_000)])], soon())
    turn = all_turns(kept, ANN, begun)[1]
    assert (turn.content, turn.cut) == ("Here.", True)
    small, large = turn.evidence
    assert small == answer(5)
    assert large["truncated"]
    assert 1000 < large["row_count"] == len(large["data"]) < 10_000
    assert large["data"] == answer(10_000)["data"][: large["row_count"]]
    assert large["sql"] == "SELECT 1"
    assert len(json.dumps(turn.evidence, ensure_ascii=False, separators=(",", ":")).encode()) > EVIDENCE_BYTES - 200


@pytest.mark.parametrize(
    "turn",
    [
        Turn("assistant", "ü" * 1_000_000),
        Turn("assistant", "\ud800 alone"),
        Turn("assistant", "x", [{"sql": "x" * 1_000_000}]),
        Turn("assistant", "x", [answer(1, 1_000_000)]),
        Turn("assistant", "x", [answer(500)] * 40),
        Turn("assistant", "x" * 1_000_000, [answer(5000)] * 40),
        Turn("user", ""),
    ],
)
def test_nothing_is_too_large_to_append(kept: Conversations, table: Any, turn: Turn) -> None:
    begun = kept.append(ANN, None, [turn] * MOST_TURNS, soon())
    turns = all_turns(kept, ANN, begun)
    assert len(turns) == MOST_TURNS
    assert turns[0].cut == (len(turn.content) > CONTENT_BYTES or bool(turn.evidence))
    for item in table.scan()["Items"]:
        assert sum(len(str(value).encode()) for value in item.values()) < 300_000


def test_a_page_has_a_megabyte_at_most(kept: Conversations) -> None:
    begun = kept.append(ANN, None, [Turn("assistant", "x", [answer(5000)])] * MOST_TURNS, soon())
    _, page, following = kept.show(ANN, begun, 0, 50, soon())
    assert 1 <= len(page) < MOST_TURNS
    assert following == page[-1].sequence
    assert [turn.sequence for turn in all_turns(kept, ANN, begun)] == list(range(1, MOST_TURNS + 1))


@pytest.mark.parametrize("count", [0, MOST_TURNS + 1])
def test_an_append_has_some_turns_and_not_too_many(kept: Conversations, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} turns"):
        kept.append(ANN, None, [says("x")] * count, soon())


def test_what_is_redacted_is_not_kept(kept: Conversations, table: Any) -> None:
    row = {"name": "Ann", "mail": "ann@example.com", "card": "4242 4242 4242 4242"}
    said = says("who is ann@example.com", data=[row], params=["ann@example.com"], sql="SELECT 'ann@example.com'")
    begun = kept.append(ANN, None, [said], soon())
    kept.rename(ANN, begun, "about ann@example.com", soon())
    head, (turn,), _ = kept.show(ANN, begun, 0, 50, soon())
    assert head.title == "about [email]"
    assert turn.content == "who is [email]"
    assert turn.evidence[0]["data"] == [{"name": "Ann", "mail": "[email]", "card": "[card]"}]
    assert "example.com" not in everything(table)


@pytest.mark.parametrize("broken", ["address", "table", "throttled"])
def test_without_dynamodb_it_is_said(table: Any, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "address":
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    own = Conversations(rowcall_aws.table("none" if broken == "table" else TABLE), 30, Redaction())
    if broken == "throttled":
        own._client.meta.events.register("before-send.dynamodb.*", _throttle)
    for call in (
        lambda: own.append(ANN, None, [says("x")], soon()),
        lambda: own.append(ANN, "0" * 32, [says("x")], soon()),
        lambda: own.page(ANN, None, 20, soon()),
        lambda: own.show(ANN, "0" * 32, 0, 20, soon()),
        lambda: own.rename(ANN, "0" * 32, "x", soon()),
        lambda: own.delete(ANN, "0" * 32, soon()),
    ):
        with pytest.raises(Problem) as raised:
            call()
        assert (raised.value.code, raised.value.retry_after) == ("conversations_unavailable", 1)


def _throttle(**_: object) -> Any:
    from botocore.awsrequest import AWSResponse

    class Body:
        def stream(self) -> Iterator[bytes]:
            yield b'{"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}'

    return AWSResponse("http://127.0.0.1", 400, {}, Body())


def test_nothing_is_asked_after_the_deadline(kept: Conversations, table: Any) -> None:
    begun = kept.append(ANN, None, [says("x")], soon())
    past = Deadline.after(0)
    for call in (
        lambda: kept.append(ANN, begun, [says("x")], past),
        lambda: kept.page(ANN, None, 20, past),
        lambda: kept.show(ANN, begun, 0, 20, past),
        lambda: kept.rename(ANN, begun, "x", past),
        lambda: kept.delete(ANN, begun, past),
    ):
        with pytest.raises(Problem) as raised:
            call()
        assert raised.value.code == "deadline_exceeded"
    assert len(all_turns(kept, ANN, begun)) == 1


# ── the routes ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def services(table: Any, bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    settings = {"CONVERSATIONS_TABLE": TABLE, "REDACT": "email", **signing()}
    with serving(monkeypatch, environment(bridge, database_url, **settings)) as running:
        yield running


@pytest.fixture
def ann() -> dict[str, str]:
    return bearer(hs256(sub="ann", scope="chat"))


@pytest.fixture
def gateway(services: Services) -> Gateway:
    return Gateway(handler)


def begin(services: Services, principal: Principal, *turns: str) -> str:
    assert services.conversations
    return services.conversations.append(principal, None, [says(turn) for turn in turns], soon())


def told(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    return reply.json


def test_conversations_over_http(gateway: Gateway, services: Services, ann: dict[str, str]) -> None:
    owner = services.authenticator.principal(ann["Authorization"], soon())
    first, second = begin(services, owner, "first", "more", "and more"), begin(services, owner, "second")
    page = told(gateway.request("GET", "/api/conversations", query={"limit": "1"}, headers=ann))
    (one,) = page["conversations"]
    assert (one["id"], one["title"], one["turns"], page["cursor"]) == (second, "second", 1, second)
    query = {"limit": "1", "cursor": page["cursor"]}
    page = told(gateway.request("GET", "/api/conversations", query=query, headers=ann))
    assert ([one["id"] for one in page["conversations"]], page["cursor"]) == ([first], None)

    path = f"/api/conversations/{first}"
    shown = told(gateway.request("GET", path, query={"limit": "2"}, headers=ann))
    assert ([turn["content"] for turn in shown["turns"]], shown["cursor"]) == (["first", "more"], "2")
    shown = told(gateway.request("GET", path, query={"limit": "2", "cursor": "2"}, headers=ann))
    assert ([turn["sequence"] for turn in shown["turns"]], shown["cursor"]) == ([3], None)
    assert set(shown["turns"][0]) == {"sequence", "role", "content", "evidence", "cut", "created"}

    renamed = gateway.request("PATCH", path, json.dumps({"title": "mail ann@example.com"}), headers=ann)
    assert told(renamed)["title"] == told(gateway.request("GET", path, headers=ann))["title"] == "mail [email]"
    assert gateway.request("DELETE", path, headers=ann).status == 204
    problem(gateway.request("GET", path, headers=ann), 404, "not_found")
    problem(gateway.request("DELETE", path, headers=ann), 404, "not_found")
    assert [one["id"] for one in told(gateway.get("/api/conversations", **ann))["conversations"]] == [second]


@pytest.mark.parametrize("claims", [{"sub": "bob"}, {"sub": "ann", "tenant": "umbrella"}])
def test_no_route_tells_of_somebody_elses(
    gateway: Gateway, services: Services, ann: dict[str, str], claims: dict[str, str]
) -> None:
    owner = services.authenticator.principal(ann["Authorization"], soon())
    path = f"/api/conversations/{begin(services, owner, 'mine')}"
    stranger = bearer(hs256(scope="query chat operator", **claims))
    problem(gateway.request("GET", path, headers=stranger), 404, "not_found")
    problem(gateway.request("PATCH", path, '{"title": "x"}', headers=stranger), 404, "not_found")
    problem(gateway.request("DELETE", path, headers=stranger), 404, "not_found")
    page = told(gateway.request("GET", "/api/conversations", query={"cursor": "f" * 32}, headers=stranger))
    assert page == {"conversations": [], "cursor": None}
    assert told(gateway.request("GET", path, headers=ann))["turns"][0]["content"] == "mine"


def test_they_are_for_those_who_may_chat(gateway: Gateway) -> None:
    problem(gateway.get("/api/conversations"), 401, "unauthenticated")
    problem(gateway.get("/api/conversations", **bearer(hs256(scope="query operator"))), 403, "forbidden")


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("", {"cursor": "x"}, "cursor"),
        ("", {"cursor": '{"place": "x"}'}, "cursor"),
        ("", {"limit": "0"}, "limit"),
        ("", {"limit": "101"}, "limit"),
        (f"/{'0' * 32}", {"cursor": "-1"}, "cursor"),
        (f"/{'0' * 32}", {"cursor": "9" * 10}, "cursor"),
        ("/x", {}, "id"),
    ],
)
def test_what_is_wrong_is_named(
    gateway: Gateway, ann: dict[str, str], path: str, query: dict[str, str], field: str
) -> None:
    reply = gateway.request("GET", f"/api/conversations{path}", query=query, headers=ann)
    assert problem(reply, 400, "invalid_request")["errors"][0]["field"] == field


def test_where_none_are_kept_there_are_none(bridge: Bridge, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, environment(bridge, database_url)):
        reply = Gateway(handler).get("/api/conversations")
        assert "kept" in problem(reply, 404, "not_found")["detail"]


def test_without_dynamodb_the_route_says_when_to_come_back(
    gateway: Gateway, ann: dict[str, str], table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    reply = gateway.get("/api/conversations", **ann)
    problem(reply, 503, "conversations_unavailable")
    assert reply.headers["retry-after"] == "1"
