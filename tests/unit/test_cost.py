"""The cost model: prices are data with their source, and what it computes from them is what a bill would say."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from docs import cost
from rowcall.settings import Settings


@pytest.mark.parametrize("kind", ["prices", "limits"])
def test_every_price_and_limit_says_where_and_when_it_was_read(kind: str) -> None:
    for name, one in cost.DATA[kind].items():
        assert one["source"].startswith("https://"), name
        assert date.fromisoformat(one["date"])


def test_every_price_and_input_is_used_and_no_number_is_in_the_code() -> None:
    code = Path(cost.__file__).read_text()
    for name in cost.DATA["prices"]:
        assert f'usd("{name}")' in code
    for name in cost.DATA["inputs"]:
        assert f'"{name}"' in code
    assert set(cost.month(1).uses()) == set(cost.DATA["limits"])


def test_every_input_says_whether_it_was_measured_read_or_is_assumed() -> None:
    for name, one in cost.DATA["inputs"].items():
        assert re.match(r"(measured|counted|read|assumed)\b", one["why"]), name


def test_a_month_of_a_million_by_hand() -> None:
    found = cost.Month(1_000_000, 0.9, "claude-sonnet-5-5").components()
    assert found["API Gateway"] == pytest.approx(3.50 + 1e6 * 4000 / 1e9 * 0.09)
    assert found["WAF"] == pytest.approx(5 + 3 + 0.60)
    assert found["Upstash"] == pytest.approx(1e6 * (0.9 * 1 + 0.1 * 4) / 1e5 * 0.20)
    assert found["RDS Proxy"] == pytest.approx(8 * 730 * 0.025)
    assert found["Models"] == pytest.approx(1e5 * 1.1 * (2400 * 2 + 250 * 10) / 1e6)


def test_no_plan_costs_no_model_and_more_questions_never_cost_less() -> None:
    assert cost.Month(1_000_000, 1.0, "claude-sonnet-5-5").components()["Models"] == 0
    totals = [sum(cost.month(volume).components().values()) for volume in cost.VOLUMES]
    assert totals == sorted(totals)


def test_a_limit_is_met_at_the_volume_that_is_told() -> None:
    for name in cost.DATA["limits"]:
        use = cost.month(100_000_000).uses()[name]
        assert cost.month(100_000_000 / use).uses()[name] == pytest.approx(1)


def test_the_model_is_the_default_one() -> None:
    assert cost.DATA["inputs"]["model"]["value"] == Settings.model_fields["anthropic_model"].default


def test_what_is_counted_in_the_template_is_what_is_there() -> None:
    root = Path(cost.__file__).parents[1]
    templates = [root / "template.yaml", *sorted((root / "stacks").glob("*.yaml"))]
    text = "\n".join(path.read_text() for path in templates)
    assert cost.given("alarms") == text.count("Type: AWS::CloudWatch::Alarm\n")
    assert cost.given("memory_gb") * 1024 == pytest.approx(1769, abs=0.5)
    assert "MemorySize: 1769" in text
