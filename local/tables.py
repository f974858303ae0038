"""The DynamoDB tables of the laptop stack, as `template.yaml` makes them on AWS."""

from __future__ import annotations

TABLES = {"API_KEYS_TABLE": "rowcall-api-keys", "IDEMPOTENCY_TABLE": "rowcall-idempotency"}
"""The setting that names a table, and the table."""


def create(url: str, region: str) -> None:
    """Create `TABLES` at `url`."""
    import boto3

    session = boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=region)  # noqa: S106
    client = session.client("dynamodb", endpoint_url=url)
    for name in TABLES.values():
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    client.close()
