"""What a month costs, by component and volume, and which limit is met first. The document is `docs/cost.md`.

Prices, limits and inputs are data: `cost.json` says of each price and limit where and when it was read, and of each
input whether it was measured or is assumed. Nothing here is a price. Free tiers and discounts are left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rowcall import pricing

DATA: dict[str, dict[str, dict[str, Any]]] = json.loads(Path(__file__).with_name("cost.json").read_text())
VOLUMES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
HIT_RATES = (0.5, 0.8, 0.95, 0.99)
HOURS = 730.0
SECONDS = HOURS * 3600
MILLION, GB = 1e6, 1e9
LEAST_PROXY_ACU = 8.0
MODELS = ("claude-haiku-5-5", "gpt-6-luna", "claude-sonnet-5-5", "claude-opus-5-5")


def usd(name: str) -> float:
    return float(DATA["prices"][name]["usd"])


def given(name: str) -> float:
    return float(DATA["inputs"][name]["value"])


@dataclass(frozen=True, slots=True)
class Month:
    """`questions` a month, of which `hit_rate` need no plan; plans are made by `model`."""

    questions: float
    hit_rate: float
    model: str

    @property
    def plans(self) -> float:
        return self.questions * (1 - self.hit_rate)

    @property
    def peak_rps(self) -> float:
        """Questions in the busiest second."""
        return given("peak") * self.questions / SECONDS

    @property
    def seconds(self) -> float:
        """Of a function, for a question on average."""
        return (self.hit_rate * given("hit_ms") + (1 - self.hit_rate) * given("plan_ms")) / 1000

    @property
    def redis_commands(self) -> float:
        """For a question on average."""
        return self.hit_rate * given("redis_commands_hit") + (1 - self.hit_rate) * given("redis_commands_plan")

    @property
    def average_acu(self) -> float:
        return max(given("least_acu"), self._acu(self.questions / SECONDS))

    @property
    def peak_acu(self) -> float:
        return max(given("least_acu"), self._acu(self.peak_rps))

    def _acu(self, rps: float) -> float:
        return rps * given("database_cpu_ms") / 1000 * given("acu_per_cpu")

    def components(self) -> dict[str, float]:
        """Dollars a month, by what is paid for."""
        requests = self.questions / MILLION
        return {
            "API Gateway": requests * usd("rest_api_million") + self._gb("response_bytes") * usd("internet_out_gb"),
            "WAF": usd("waf_acl") + given("waf_rules") * usd("waf_rule") + requests * usd("waf_million"),
            "Lambda": self._functions(),
            "Aurora": self.average_acu * HOURS * usd("aurora_acu_hour")
            + given("database_gb") * usd("aurora_storage_gb"),
            "RDS Proxy": max(LEAST_PROXY_ACU, self.average_acu) * HOURS * usd("rds_proxy_acu_hour"),
            "NAT": self._way_out(),
            "Upstash": self.questions * self.redis_commands / 100_000 * usd("redis_commands_100k"),
            "DynamoDB": requests * self._tables(),
            "SQS": requests * given("job_share") * 3 * usd("sqs_million"),
            "Logs, metrics, alarms": self._gb("log_bytes") * usd("logs_gb")
            + given("metrics") * usd("metric")
            + given("alarms") * usd("alarm")
            + usd("dashboard"),
            "Secrets": usd("secret"),
            "Models": self.plans * cost_of_a_plan(self.model),
        }

    def uses(self) -> dict[str, float]:
        """The share of each limit that the busiest second takes."""
        taken = {
            "rest_api_rps": self.peak_rps,
            "lambda_concurrency": self.peak_rps * self.seconds,
            "redis_rps": self.peak_rps * self.redis_commands,
            "aurora_acu": self.peak_acu,
            "model_rpm": self.peak_rps * (1 - self.hit_rate) * given("calls_a_plan") * 60,
        }
        return {name: amount / float(DATA["limits"][name]["value"]) for name, amount in taken.items()}

    def _gb(self, bytes_each: str) -> float:
        return self.questions * given(bytes_each) / GB

    def _functions(self) -> float:
        memory = given("memory_gb")
        return (
            self.questions / MILLION * usd("lambda_million")
            + self.questions * self.seconds * memory * usd("lambda_gb_second")
            + memory * SECONDS * usd("snapstart_cache_gb_second")
            + self.questions * given("cold_share") * memory * usd("snapstart_restore_gb")
        )

    def _way_out(self) -> float:
        """Redis and the models are on the internet."""
        redis = self._gb("redis_bytes")
        models = self.plans * given("calls_a_plan") * given("model_bytes") / GB
        return (
            given("nat_gateways") * HOURS * usd("nat_hour")
            + (redis + models) * usd("nat_gb")
            + (redis / 3 + models) * usd("internet_out_gb")
        )

    def _tables(self) -> float:
        writes = 2 * given("idempotent_share") + 4 * given("chat_share") + 3 * given("job_share")
        reads = given("idempotent_share") + 2 * given("chat_share")
        return writes * usd("dynamodb_write_million") + reads * usd("dynamodb_read_million")


def month(questions: float) -> Month:
    """A month by the inputs."""
    return Month(questions, given("hit_rate"), str(DATA["inputs"]["model"]["value"]))


def cost_of_a_plan(model: str) -> float:
    """Dollars, by the prices that answers are charged by."""
    tokens = pricing.Tokens(input=round(given("input_tokens")), output=round(given("output_tokens")))
    return pricing.price(model).cost(tokens) / pricing.NANO * given("calls_a_plan")


def document() -> str:
    """`docs/cost.md`."""
    months = [month(volume) for volume in VOLUMES]
    return (
        "\n\n".join(
            [
                "# What it costs",
                "Computed by [`docs/cost.py`](cost.py) from [`docs/cost.json`](cost.json): list prices of us-east-1 "
                "where not said otherwise, without free tiers and discounts. Measured inputs are of the sample shop on "
                "one machine, assumed ones are ours: put your own in and run `make docs`. All is in dollars a month. "
                "Not in it: traces, backups, CloudFront and keys of your own; template.yaml tells what they cost.",
                "## By component",
                _components(months),
                "## Without what can be turned off",
                _optional(months),
                "## By hit rate",
                "A hit needs no model, so the hit rate decides the largest item at every volume from a million up.",
                _hit_rates(),
                "## By model",
                _models(),
                "## What breaks first",
                "The share of each default limit that the busiest second takes, if it is "
                f"{given('peak'):g} times the average one. What is over 100 % is refused or queued.",
                _limits(months),
                "## What takes over",
                _takes_over(),
                "## Prices",
                _prices(),
                "## Inputs",
                _inputs(),
            ]
        )
        + "\n"
    )


def _table(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    marks = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, marks, *rows])


def _head(first: str) -> list[str]:
    return [first, *(_count(volume) for volume in VOLUMES)]


def _components(months: list[Month]) -> str:
    columns = [one.components() for one in months]
    rows = [[name, *(_dollars(column[name]) for column in columns)] for name in columns[0]]
    totals = [sum(column.values()) for column in columns]
    rows.append(["**all**", *(f"**{_dollars(total)}**" for total in totals)])
    each = (1000 * total / one.questions for one, total in zip(months, totals, strict=True))
    rows.append(["a thousand questions", *(_dollars(dollars) for dollars in each)])
    return _table(_head("questions a month"), rows)


def _optional(months: list[Month]) -> str:
    def without(*names: str) -> list[str]:
        return [_dollars(sum(v for k, v in one.components().items() if k not in names)) for one in months]

    network = ("Aurora", "RDS Proxy", "NAT")
    return _table(
        _head("questions a month"),
        [
            ["on a database of your own, reached without a NAT", *without(*network)],
            ["the same, without WAF", *without(*network, "WAF")],
            ["the same, planned by the grammar alone", *without(*network, "WAF", "Models")],
        ],
    )


def _hit_rates() -> str:
    rows = []
    for rate in HIT_RATES:
        found = [replace(month(volume), hit_rate=rate) for volume in VOLUMES]
        rows.append([f"{rate:.0%}", *(_dollars(sum(one.components().values())) for one in found)])
    return _table(_head("answered without a plan"), rows)


def _models() -> str:
    rows = []
    for model in MODELS:
        found = [replace(month(volume), model=model) for volume in VOLUMES]
        plan = _dollars(1000 * cost_of_a_plan(model))
        rows.append([f"`{model}`", plan, *(_dollars(one.components()["Models"]) for one in found)])
    head = _head("models alone, at the hit rate above")
    return _table([head[0], "a thousand plans", *head[1:]], rows)


def _limits(months: list[Month]) -> str:
    uses = [one.uses() for one in months]
    rows = [[str(limit["what"]), *(_share(use[name]) for use in uses)] for name, limit in DATA["limits"].items()]
    nearest = [max(use.items(), key=lambda item: item[1]) for use in uses]
    named = (str(DATA["limits"][name]["what"]).partition(":")[0] if use >= 0.01 else "none" for name, use in nearest)
    rows.append(["**nearest**", *named])
    return _table(_head("questions a month"), rows)


def _takes_over() -> str:
    """When each limit or price is met, and what is there instead."""
    one = month(100 * MILLION)
    rows = [
        (one.questions / use, str(DATA["limits"][name]["what"]), str(DATA["limits"][name]["then"]))
        for name, use in one.uses().items()
    ]
    fixed = usd("redis_fixed") / usd("redis_commands_100k") * 100_000 / one.redis_commands
    rows.append((fixed, "Upstash costs more by the command than as a fixed plan", "a fixed plan of the same database"))
    hour_of_acu = usd("aurora_provisioned_hour") / usd("aurora_acu_hour")
    steady = hour_of_acu / (given("database_cpu_ms") / 1000 * given("acu_per_cpu")) * SECONDS
    rows.append(
        (
            steady,
            f"Aurora is busy with {hour_of_acu:.1f} ACU on average",
            "a provisioned db.r6g.large costs less, and carries more",
        )
    )
    rows.sort()
    told = [[_count(questions), what, then] for questions, what, then in rows]
    head = ["at about (questions a month)", "what is met", "what takes over"]
    text = _table(head, told, left=3)
    return (
        text + "\n\nTwo limits are of templates, not of questions: beyond `L2_ENTRIES` remembered in a scope, "
        "`L2_INDEX=pgvector` searches them in Postgres; beyond 1 GB of Redis, storage is billed. Where a month's cost "
        "of models is the largest item, a longer `PLAN_TTL_SECONDS`, `WARM_QUESTIONS` or a smaller model comes before "
        "any other engine."
    )


def _prices() -> str:
    rows = [[f"{one['usd']:g}", str(one["per"]), f"{one['source']}, {one['date']}"] for one in DATA["prices"].values()]
    rows += [
        [f"{one['value']:,}", str(one["what"]), f"{one['source']}, {one['date']}"] for one in DATA["limits"].values()
    ]
    return _table(["$, or limit", "for", "read at, and when"], rows, left=3)


def _inputs() -> str:
    rows = [[f"`{name}`", f"{one['value']}", str(one["why"])] for name, one in DATA["inputs"].items()]
    return _table(["input", "value", "why"], rows, left=3)


def _count(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}" if number < 1000 * size else f"{number / size:,.0f} {letter}"
    return f"{number:g}"


def _dollars(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.2f}"


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "< 1%"
