"""Files in the bucket: exports, whose rows pass through a bounded buffer, and answers too large for a record.

JSON Lines is the exact one of the two formats: an object a row, values as in any answer. CSV is for spreadsheets: RFC
4180 in UTF-8, NULL empty and an empty text `""` as in Postgres's own, and a text that a spreadsheet would run as a
formula begins with an apostrophe (OWASP, "CSV Injection"). A file's name holds numbers only, nothing of the question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rowcall import telemetry
from rowcall.errors import Problem
from rowcall.jobs import Format, Message
from rowcall.jobs.records import File

PART_BYTES = 8 * 2**20
"""Of a multipart upload; S3 wants 5 MiB or more of every part but the last, and takes ten thousand."""

TYPES: dict[Format, str] = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
}

_FORMULA = re.compile(r"[=@\t\r\n]|[+-](?![\d .-]*\Z)")
"""What OWASP names; a sign before nothing but digits is a number or a date, and stays one."""

_QUOTED = re.compile(r'[",\r\n]')

Row = Sequence[object]


class Bucket:
    """The bucket. Raises `jobs_unavailable` when S3 cannot be reached."""

    def __init__(self, bucket: Any, *, link_seconds: int) -> None:
        self._bucket = bucket
        self._link_seconds = link_seconds

    def put(self, message: Message, lease: str, form: Format, body: bytes, rows: int) -> File:
        """Store a whole file."""
        with _Upload(self._bucket, _name(message, lease, form), TYPES[form]) as upload:
            upload.write(body)
        return File(upload.key, upload.bytes, rows)

    def export(
        self,
        message: Message,
        lease: str,
        form: Format,
        columns: Sequence[str],
        batches: Iterator[list[list[object]]],
        limit: int,
    ) -> tuple[File, bool]:
        """Store at most `limit` rows as they come; whether there are more. What fails leaves nothing behind."""
        write, rows, truncated = _writer(form, columns), 0, False
        with _Upload(self._bucket, _name(message, lease, form), TYPES[form]) as upload:
            if form == "csv":
                upload.write(_csv(columns))
            for batch in batches:
                fitting = batch[: limit - rows]
                truncated = len(fitting) < len(batch)
                rows += len(fitting)
                upload.write(b"".join(map(write, fitting)))
        return File(upload.key, upload.bytes, rows), truncated

    def link(self, file: File) -> str:
        """An address from which anyone may fetch the file for a short while. Asks nobody."""
        name = {"Bucket": self._bucket.name, "Key": file.key}
        url: str = self._bucket.meta.client.generate_presigned_url("get_object", name, ExpiresIn=self._link_seconds)
        return url


class _Upload:
    """One object: stored at once if it is small, else in parts. Left by an exception, nothing of it is kept."""

    def __init__(self, bucket: Any, key: str, content_type: str) -> None:
        self.key = key
        self.bytes = 0
        self._object = bucket.Object(key)
        self._described = {
            "ContentType": content_type,
            "ContentDisposition": f'attachment; filename="{key.rpartition("/")[2]}"',
        }
        self._unsent = bytearray()
        self._multipart: Any = None
        self._parts: list[dict[str, object]] = []

    def __enter__(self) -> _Upload:
        return self

    def write(self, block: bytes) -> None:
        self.bytes += len(block)
        self._unsent += block
        while len(self._unsent) >= PART_BYTES:
            self._send(bytes(self._unsent[:PART_BYTES]))
            del self._unsent[:PART_BYTES]

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._abort()
            return
        try:
            if self._multipart is None:
                with _reaching():
                    self._object.put(Body=bytes(self._unsent), **self._described)
                return
            if self._unsent:
                self._send(bytes(self._unsent))
            with _reaching():
                self._multipart.complete(MultipartUpload={"Parts": self._parts})
        except BaseException:
            self._abort()
            raise

    def _send(self, part: bytes) -> None:
        with _reaching():
            self._multipart = self._multipart or self._object.initiate_multipart_upload(**self._described)
            number = len(self._parts) + 1
            sent = self._multipart.Part(number).upload(Body=part)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def _abort(self) -> None:
        """The bucket's lifecycle ends what cannot be ended here."""
        if self._multipart is not None:
            with suppress(Problem), _reaching():
                self._multipart.abort()


def _name(message: Message, lease: str, form: Format) -> str:
    """With the lease in it, so that two runs of an item never write the same object."""
    return f"{message.owner}/{message.job}-{message.item:03}-{lease}.{form}"


def _writer(form: Format, columns: Sequence[str]) -> Callable[[Row], bytes]:
    if form == "csv":
        return _csv

    def line(row: Row) -> bytes:
        document = dict(zip(columns, row, strict=True))
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace") + b"\n"

    return line


def _csv(row: Row) -> bytes:
    return ",".join(map(_field, row)).encode(errors="replace") + b"\r\n"


def _field(value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            text = f"'{value}" if _FORMULA.match(value) else value
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return '"' + text.replace('"', '""') + '"' if not text or _QUOTED.search(text) else text


@contextmanager
def _reaching() -> Iterator[None]:
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        telemetry.logger().error("a file cannot be stored", reason=type(error).__name__)
        raise Problem("jobs_unavailable", retry_after=1) from error
