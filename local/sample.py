"""The job that `events/worker.jobs.json` is a message of: put into the laptop's table, so that the worker finds it."""

from __future__ import annotations

import json
from typing import Any

from local.aws import REGION
from local.processes import ROOT
from local.tables import TABLES
from rowcall.auth import LOCAL
from rowcall.jobs import asking
from rowcall.jobs.records import Records

QUESTION = "top 5 products by revenue"


class SampleJob:
    """One question of the asker on this machine, in the table at `url`."""

    def __init__(self, url: str) -> None:
        import boto3

        session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)  # noqa: S106
        table = session.resource("dynamodb", endpoint_url=url).Table(TABLES["JOBS_TABLE"].name)
        event = json.loads((ROOT / "events/worker.jobs.json").read_text())
        self._records = Records(table, days=1)
        self._id = json.loads(event["Records"][0]["body"])["job"]
        self._records.create(LOCAL, [asking(QUESTION, None, None, "json")], "json", self._id)

    @property
    def outcome(self) -> dict[str, Any]:
        """The job's state, and what came of its question."""
        job = self._records.get(LOCAL, self._id)
        (item,), _ = self._records.items(job, None, 1)
        return {"state": job.state, "query": item.ask.query, "answer": item.answer, "problem": item.problem}
