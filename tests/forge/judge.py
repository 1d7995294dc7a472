"""Judges requests and answers by GitHub's own description: is it described, and is it of the described shape?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

from tests.forge.openapi import Json
from tests.forge.site import Json as Document

WHOLE = "github"


class Judge:
    """The description that is installed, ready to compare with."""

    def __init__(self, description: Json) -> None:
        self._whole = _json_schema(description)
        resource = Resource.from_contents(self._whole, default_specification=DRAFT4)
        self._registry: Registry[Any] = Registry().with_resource(WHOLE, resource)
        # What is written out goes before a parameter: `/issues/comments` is not the issue `comments`.
        templates = sorted(self._whole["paths"], key=lambda path: (path.count("{"), -len(path)))
        self._paths = [(re.compile(_pattern(path)), path) for path in templates]
        self._validators: dict[str, Draft4Validator] = {}

    def operation(self, method: str, path: str) -> tuple[str, Json] | None:
        """The template that a path has, and what is described for it."""
        for pattern, template in self._paths:
            if pattern.fullmatch(path) and method.lower() in self._whole["paths"][template]:
                return template, self._whole["paths"][template][method.lower()]
        return None

    def of_request(self, method: str, path: str, query: Mapping[str, str], body: Any) -> list[str]:
        """What is wrong with a request."""
        found = self.operation(method, path)
        if found is None:
            return [f"{method} {path} is not described"]
        template, operation = found
        wrong = list(self._of_query(operation, query))
        content = self._resolved(operation.get("requestBody", {}))
        schema = content.get("content", {}).get("application/json", {}).get("schema")
        if schema is not None and (body is not None or content.get("required")):
            place = f"/paths/{_escaped(template)}/{method.lower()}/requestBody"
            wrong += self._compared(f"{place}/content/application~1json/schema", body)
        elif schema is None and body is not None:
            wrong.append("a body is sent where none is described")
        return [f"{method} {path}: {one}" for one in wrong]

    def of_answer(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """What is wrong with an answer."""
        found = self.operation(method, path)
        if found is None:
            return [f"{method} {path} is not described"]
        template, operation = found
        reply = operation["responses"].get(str(status))
        if reply is None:
            return [f"{method} {template}: {status} is not described"]
        schema = self._resolved(reply).get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            return [f"{method} {template}: {status} has a body"] if body is not None else []
        if "$ref" in reply:
            place = f"{reply['$ref'].partition('#')[2]}/content/application~1json/schema"
        else:
            place = f"/paths/{_escaped(template)}/{method.lower()}/responses/{status}/content/application~1json/schema"
        return [f"{method} {template} {status}: {one}" for one in self._compared(place, body)]

    def _of_query(self, operation: Json, query: Mapping[str, str]) -> Iterator[str]:
        known = {
            p["name"]: p for p in map(self._resolved, operation.get("parameters", ())) if p["in"] == "query"
        }
        for name, value in query.items():
            if name not in known:
                yield f"there is no parameter {name}"
                continue
            schema = self._resolved(known[name].get("schema", {}))
            if "enum" in schema and value not in map(str, schema["enum"]):
                yield f"{name}={value} is none of {schema['enum']}"
            if schema.get("type") == "integer" and not value.lstrip("-").isdigit():
                yield f"{name}={value} is no number"
        for name, parameter in known.items():
            if parameter.get("required") and name not in query:
                yield f"the parameter {name} is missing"

    def _compared(self, place: str, document: Any) -> Iterator[str]:
        if place not in self._validators:
            schema = {"$ref": f"{WHOLE}#{place}"}
            self._validators[place] = Draft4Validator(schema, registry=self._registry)
        for error in self._validators[place].iter_errors(document):
            deepest = best_match([error]) or error
            where = "/".join(map(str, deepest.absolute_path))
            yield f"{where}: {deepest.message[:300]}"

    def _resolved(self, part: Json) -> Json:
        """A component in the place of the reference to it."""
        while "$ref" in part:
            target: Any = self._whole
            for step in part["$ref"].partition("#/")[2].split("/"):
                target = target[step]
            part = target
        return part


@cache
def judge(description: Path) -> Judge:
    """The judge of a description, read once."""
    return Judge(json.loads(description.read_text()))


def _json_schema(part: Any) -> Any:
    """OpenAPI's way of saying that something may be null, in JSON Schema's words; references name the whole."""
    if isinstance(part, list):
        return [_json_schema(one) for one in part]
    if not isinstance(part, dict):
        return part
    made: Document = {
        name: _json_schema(value) for name, value in part.items() if name not in {"example", "examples"}
    }
    if isinstance(made.get("$ref"), str):
        made["$ref"] = WHOLE + made["$ref"]
    if part.get("nullable") is True:
        del made["nullable"]
        return {"anyOf": [{"enum": [None]}, made]}
    return made


def _pattern(template: str) -> str:
    parts = re.split(r"(\{\w+\})", template)
    # A ref or a path inside the repository may have slashes.
    wide = {"{ref}", "{path}", "{basehead}", "{branch}", "{head}", "{base}"}
    return "".join(
        (r".+" if part in wide else r"[^/]+") if part.startswith("{") else re.escape(part) for part in parts
    )


def _escaped(template: str) -> str:
    return template.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
