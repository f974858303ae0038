"""A template as CloudFormation acts on it: conditions decided, parameters filled in, what has no condition left out.

References to resources stay as they are, since only AWS knows their values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::StackName": "rowcall",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()
"""What AWS::NoValue stands for."""


def evaluate(template: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`template` with `parameters`, the others at their defaults. A parameter that is missing raises `KeyError`."""
    return _Evaluation(template, parameters).template()


class _Evaluation:
    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        self._template = template
        declared = template.get("Parameters", {})
        unknown = set(parameters) - set(declared)
        assert not unknown, f"no such parameter: {unknown}"
        self.values = {
            name: parameters[name] if name in parameters else declaration["Default"]
            for name, declaration in declared.items()
        }

    def template(self) -> dict[str, Any]:
        parts = {part: self._there(self._template.get(part, {})) for part in ("Resources", "Outputs")}
        return {**self._template, **parts, "Values": self.values}

    def _there(self, things: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: self.of(thing)
            for name, thing in things.items()
            if "Condition" not in thing or self._holds(thing["Condition"])
        }

    def _holds(self, name: str) -> bool:
        return bool(self.of(self._template["Conditions"][name]))

    def of(self, value: Any) -> Any:
        match value:
            case {"Ref": str(name)} if len(value) == 1:
                return self._ref(name)
            case {"Condition": str(name)} if len(value) == 1:
                return self._holds(name)
            case {"Fn::If": [condition, yes, no]}:
                return self.of(yes if self._holds(condition) else no)
            case {"Fn::Equals": [one, other]}:
                return str(self.of(one)) == str(self.of(other))
            case {"Fn::Not": [one]}:
                return not self.of(one)
            case {"Fn::And": all_of}:
                return all(self.of(one) for one in all_of)
            case {"Fn::Or": any_of}:
                return any(self.of(one) for one in any_of)
            case {"Fn::Select": [index, some]} if isinstance(chosen := self.of(some), list):
                return chosen[int(index)]
            case {"Fn::Split": [separator, text]} if isinstance(whole := self.of(text), str):
                return whole.split(separator)
            case {"Fn::Join": [separator, some]} if _texts(joined := self.of(some)):
                return separator.join(joined)
            case {"Fn::Sub": text}:
                return self._sub(text)
            case dict():
                found = {name: self.of(inner) for name, inner in value.items()}
                return {name: inner for name, inner in found.items() if inner is not NOTHING}
            case list():
                return [inner for inner in map(self.of, value) if inner is not NOTHING]
            case _:
                return value

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NOTHING
        return {**PSEUDO, **self.values}.get(name, {"Ref": name})

    def _sub(self, text: Any) -> Any:
        """The text with what is known filled in; still a Fn::Sub where a resource is left in it."""
        template, own = text if isinstance(text, list) else (text, {})
        known = {**PSEUDO, **self.values, **{name: self.of(value) for name, value in own.items()}}

        def fill(found: re.Match[str]) -> str:
            value = known.get(found[1])
            return found[0] if value is None or isinstance(value, dict) else str(value)

        filled = re.sub(r"\$\{([^!}]+)\}", fill, template)
        left = {name: value for name, value in known.items() if name in own and isinstance(value, dict)}
        if "${" not in filled:
            return filled
        return {"Fn::Sub": [filled, left] if left else filled}


def _texts(some: Any) -> bool:
    return isinstance(some, list) and all(isinstance(one, str) for one in some)
