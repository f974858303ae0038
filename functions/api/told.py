"""The base of the models that routes answer with.

They are documentation first, so each is built when it is first needed: at a cold start nobody has asked for one yet.
What a route is asked with is built at the start, as FastAPI expects.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Told(BaseModel):
    model_config = ConfigDict(defer_build=True)
