"""rowcall's client: ask a Postgres database a question in plain language, over HTTP.

    from rowcall_client import Rowcall

    with Rowcall("https://rowcall.example", api_key=key) as rowcall:
        for row in rowcall.ask("top 5 products by revenue")["data"]:
            print(row)

Answers are the documents of the HTTP API, typed. What goes wrong is a `RowcallError`: a `Problem` that the API told,
with suggestions, or an API that is `Unreachable`.
"""

from rowcall_client.documents import (
    Answer,
    ChatReply,
    Column,
    ConversationSummary,
    Event,
    Explanation,
    File,
    Job,
    JobResult,
    JobSummary,
    Message,
    Meta,
    Table,
    TableSummary,
)
from rowcall_client.http import Problem, Rowcall, RowcallError, Unreachable

__all__ = [
    "Answer",
    "ChatReply",
    "Column",
    "ConversationSummary",
    "Event",
    "Explanation",
    "File",
    "Job",
    "JobResult",
    "JobSummary",
    "Message",
    "Meta",
    "Problem",
    "Rowcall",
    "RowcallError",
    "Table",
    "TableSummary",
    "Unreachable",
]
