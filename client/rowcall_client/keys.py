"""Where the API key comes from: never from the command line, which every user of a machine can read in `ps`."""

from __future__ import annotations

import getpass
import os
import stat
from collections.abc import Mapping
from pathlib import Path


def api_key(environ: Mapping[str, str], file: Path | None, *, prompt: bool) -> str:
    """The key that is typed, in the file, or in ROWCALL_API_KEY; empty where there is none. Raises `ValueError`."""
    if prompt:
        return getpass.getpass("API key: ").strip()
    if file is not None:
        return _read(file)
    return environ.get("ROWCALL_API_KEY", "").strip()


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            if os.name == "posix" and os.fstat(opened.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ValueError(f"Others can read the key in {file}: chmod 600 {file}")
            return opened.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ValueError(f"The key file {file} cannot be read: {reason}.") from None
