"""Serves one event and tells, on the last line of stdout, what had been imported before and after."""

import json
import sys
from types import SimpleNamespace

from api.main import handler

at_start = sorted(sys.modules)
response = handler(json.load(sys.stdin), SimpleNamespace(get_remaining_time_in_millis=lambda: 29_000))
sys.stdout.write(f"\n{json.dumps({'at_start': at_start, 'after': sorted(sys.modules), 'response': response})}\n")
