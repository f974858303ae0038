"""The DynamoDB tables: their keys, and by which attribute they expire. A test holds `template.yaml` to be the same."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """`key` is the hash key and, where there is one, the range key; both are strings. `expires` holds epoch seconds."""

    name: str
    key: tuple[str, ...]
    expires: str

    @property
    def definition(self) -> dict[str, list[dict[str, str]]]:
        """What CreateTable and CloudFormation call them alike."""
        return {
            "KeySchema": [
                {"AttributeName": name, "KeyType": kind}
                for name, kind in zip(self.key, ("HASH", "RANGE"), strict=False)
            ],
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in self.key],
        }


TABLES = {
    "API_KEYS_TABLE": Table("rowcall-api-keys", ("id",), "expires"),
    "IDEMPOTENCY_TABLE": Table("rowcall-idempotency", ("id",), "expiration"),
    "CONVERSATIONS_TABLE": Table("rowcall-conversations", ("place", "entry"), "expires"),
    "JOBS_TABLE": Table("rowcall-jobs", ("owner", "key"), "expires"),
}
"""The setting that names a table, and the table."""

ENVIRON = {setting: table.name for setting, table in TABLES.items()}
"""Those settings on a laptop."""


def create(url: str, region: str) -> None:
    """Create `TABLES` at `url`."""
    import boto3

    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=region)  # noqa: S106
    client = session.client("dynamodb", endpoint_url=url)
    for table in TABLES.values():
        client.create_table(TableName=table.name, BillingMode="PAY_PER_REQUEST", **table.definition)
        client.update_time_to_live(
            TableName=table.name, TimeToLiveSpecification={"AttributeName": table.expires, "Enabled": True}
        )
    client.close()
