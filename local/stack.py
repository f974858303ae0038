"""Everything the API needs, on this machine: started together, stopped together.

A setting that the environment already has wins, and no part is started that it makes needless.
"""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType, TracebackType
from typing import NoReturn, Self

from local import queues, tables
from local.aws import REGION, Aws
from local.bridge import Bridge
from local.postgres import SQL, Postgres
from local.processes import Processes
from local.redis import Redis

SHOP = "shop"
LAPTOP_QUOTA = "100000"
"""Questions per window: a person at a laptop is no crowd."""
Tell = Callable[[str, float], None]


class Stack:
    """Use it as a context: inside, `environ` is what the API is to be started with.

    `postgres`, `redis`, `bridge` and `aws` are the running parts, `None` where `environ` already leads elsewhere.
    `tell` hears each part's name and its seconds as soon as it is ready.
    """

    processes: Processes
    postgres: Postgres | None = None
    redis: Redis | None = None
    bridge: Bridge | None = None
    aws: Aws | None = None

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        shop: bool = True,
        aws: bool = True,
        tell: Tell = lambda *_: None,
    ) -> None:
        given = os.environ if environ is None else environ
        self._given = {key: value for key, value in given.items() if value}
        self._shop = shop
        self._aws = aws
        self._tell = tell
        self._seal_key = secrets.token_hex(32)
        self._handlers: dict[signal.Signals, signal.Handlers] = {}
        self._later = ThreadPoolExecutor(1)
        self._tables: Future[None] | None = None

    def __enter__(self) -> Self:
        self._exit_on_signals()
        self.processes = Processes()
        try:
            parts = [("DATABASE_URL", self._start_postgres), ("UPSTASH_REDIS_REST_URL", self._start_redis)]
            if self._aws:
                parts.append(("AWS_ENDPOINT_URL", self._start_aws))
            with ThreadPoolExecutor() as pool:
                starting = [pool.submit(start) for setting, start in parts if setting not in self._given]
            for started in starting:
                started.result()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait(self) -> None:
        """Wait for what the API can start without: the tables and the queue."""
        if self._tables:
            self._tables.result()

    def close(self) -> None:
        """Stop every part."""
        self._later.shutdown()
        for part in (self.bridge, self.aws, self.redis, self.postgres):
            if part:
                part.stop()
        self.processes.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    @property
    def environ(self) -> dict[str, str]:
        """The given environment, completed by what leads to the parts."""
        ours = {
            "STAGE": "local",
            "PLAN_SEAL_KEY": self._seal_key,
            "ADDRESS_QUOTA": LAPTOP_QUOTA,
            "USER_QUOTA": LAPTOP_QUOTA,
        }
        if self.postgres:
            ours["DATABASE_URL"] = self.postgres.reader_url(SHOP)
        if self.bridge:
            ours |= {"UPSTASH_REDIS_REST_URL": self.bridge.url, "UPSTASH_REDIS_REST_TOKEN": self.bridge.token}
        return ours | self.aws_environ | self._given

    @property
    def aws_environ(self) -> dict[str, str]:
        """What leads to our AWS and its tables; nothing where it is elsewhere."""
        if not self.aws:
            return {}
        return {
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            **tables.ENVIRON,
            **queues.environ(self.aws.url),
        }

    def _start_postgres(self) -> None:
        begin = time.monotonic()
        self.postgres = Postgres(self.processes)
        self._tell("Postgres", time.monotonic() - begin)
        if self._shop:
            begin = time.monotonic()
            self.postgres.create(SHOP, SQL / "shop.sql")
            self._tell("the sample shop", time.monotonic() - begin)

    def _start_redis(self) -> None:
        begin = time.monotonic()
        self.redis = Redis(self.processes)
        self.bridge = Bridge(self.redis.port, self.redis.password)
        self._tell("Redis behind Upstash's REST protocol", time.monotonic() - begin)

    def _start_aws(self) -> None:
        begin = time.monotonic()
        self.aws = Aws(self.processes)
        self._tables = self._later.submit(self._create_in, self.aws.url)
        self._tell("AWS by moto", time.monotonic() - begin)

    @staticmethod
    def _create_in(url: str) -> None:
        tables.create(url, REGION)
        queues.create(url, REGION)

    def _exit_on_signals(self) -> None:
        """Let a termination unwind the stack as Ctrl-C does, unless somebody handles it already."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _exit)
                self._handlers[number] = signal.SIG_DFL


def _exit(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
