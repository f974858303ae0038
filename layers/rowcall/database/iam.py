"""Passwords that IAM vouches for: made here by signing, good for fifteen minutes, known to nobody else.

Each connection gets one of its own, so none is kept and none can be too old. It is sent by TLS only.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.Connecting.html
"""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlencode

from rowcall.database.address import Address

SECONDS = 900


def password(address: Address) -> str:
    """A token that lets `address.user` in; made without a call unless the role's credentials must be renewed.

    Raises `botocore.exceptions.BotoCoreError` where there are no credentials.
    """
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import NoCredentialsError

    session = _session()
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    query = urlencode({"Action": "connect", "DBUser": address.user})
    request = AWSRequest("GET", f"https://{address.host}:{address.port}/?{query}")
    signer = SigV4QueryAuth(
        credentials.get_frozen_credentials(), "rds-db", session.get_config_variable("region"), expires=SECONDS
    )
    signer.add_auth(request)
    return str(request.url).removeprefix("https://")


@cache
def _session() -> Any:
    import botocore.session

    return botocore.session.get_session()
