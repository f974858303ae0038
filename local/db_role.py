"""`make db-role`: the read-only role of `sql/reader_grants.sql` in a database, as often as one likes.

STAGE=dev   in the database that a stack made: by the Data API over HTTPS, with no way into its network, as the owner
            whose password RDS keeps; the role is let in by IAM
OWNER_URL=… in any Postgres that is reached from here; READER_PASSWORD is what the role will sign in with, and without
            one it is let in by IAM, which only RDS and Aurora know
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pg8000.native
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from local.postgres import SQL
from rowcall.database.address import Address
from rowcall.deadline import Deadline

DATABASE = "rowcall"
BY_IAM = "GRANT rds_iam TO rowcall_reader WITH INHERIT TRUE"

Run = Callable[[str], None]


class NotThere(Exception):
    """Says which database there is none of."""


def statements(password: str = "") -> list[str]:
    """The statements, in order; without a password the role signs in by IAM."""
    texts = [text.strip() for text in (SQL / "reader_grants.sql").read_text().split("\n\n")]
    own = [text for text in texts if not all(line.startswith("--") for line in text.splitlines())]
    signs_in = f"ALTER ROLE rowcall_reader PASSWORD {pg8000.native.literal(password)}" if password else BY_IAM
    return [*own, signs_in]


@contextmanager
def by_stack(stack: str) -> Iterator[Run]:
    """Runs a statement in the database that `stack` made, as its owner. Raises `NotThere`."""
    cloudformation = boto3.client("cloudformation")
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    made = {
        one["LogicalResourceId"]: one["PhysicalResourceId"] for page in pages for one in page["StackResourceSummaries"]
    }
    if "DatabaseStack" not in made:
        raise NotThere(f"{stack} has made no database: give OWNER_URL")
    (told,) = cloudformation.describe_stacks(StackName=made["DatabaseStack"])["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in told["Outputs"]}
    yield data_api(outputs["ClusterArn"], outputs["OwnerSecretArn"])


def data_api(cluster: str, secret: str) -> Run:
    """Runs a statement by the Data API, in `cluster` as the owner that `secret` holds; takes one at a time."""
    client = boto3.client("rds-data")

    def run(sql: str) -> None:
        client.execute_statement(resourceArn=cluster, secretArn=secret, database=DATABASE, sql=sql)

    return run


@contextmanager
def by_url(url: str, ca_file: str = "") -> Iterator[Run]:
    """Runs a statement at `url`, TLS as rowcall itself has it."""
    address = Address.parse(url, ca_file=ca_file, setting="OWNER_URL")
    sock = address.open(Deadline.after(60))
    with closing(
        pg8000.native.Connection(address.user, database=address.database, password=address.password, sock=sock)
    ) as connection:
        yield connection.run


def make(run: Run, password: str = "") -> None:
    """Run every statement of the role."""
    for statement in statements(password):
        run(statement)


def main(environ: Mapping[str, str], stage: str) -> int:
    console = Console(highlight=False, soft_wrap=True)
    url, password = environ.get("OWNER_URL", ""), environ.get("READER_PASSWORD", "")
    there: Any = by_url(url, environ.get("DATABASE_CA_FILE", "")) if url else by_stack(f"rowcall-{stage}")
    try:
        with there as run:
            make(run, password)
    except (NotThere, BotoCoreError, ClientError, OSError, pg8000.native.Error) as error:
        console.print("[red]✗[/]", str(error))
        return 1
    where = unquote(urlsplit(url).path[1:]) or DATABASE
    console.print(
        f"[green]✓[/] rowcall_reader may read the tables of {where}, {'by password' if password else 'by IAM'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ, sys.argv[1]))
