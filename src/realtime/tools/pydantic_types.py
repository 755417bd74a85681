"""Describes and checks types with pydantic; importing it raises ImportError where pydantic 2 is missing.

Thread: any; stateless.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, get_origin

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from . import plain_types

__all__ = ["shape_of"]

MAX_DEPTH = 32


class _Schema(GenerateJsonSchema):
    """Schemas without titles, which say nothing to the model, and without warnings."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def emit_warning(self, kind: Any, detail: str) -> None:
        return None


def shape_of(annotation: Any) -> tuple[dict[str, Any], Callable[[Any], Any]]:
    """The JSON schema of a type, and the function that converts a value to it.

    A type that pydantic cannot describe is left to `plain_types`.
    """
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        schema = adapter.json_schema(schema_generator=_Schema)
    except Exception:
        return plain_types.shape_of(annotation)
    definitions = schema.pop("$defs", {})
    schema = _inlined(schema, definitions, ())
    schema.pop("title", None)
    if get_origin(annotation) is Annotated and (text := plain_types.text_in(annotation)):
        schema.setdefault("description", text)
    if definitions and "#/$defs/" in str(schema):
        schema["$defs"] = definitions
    return schema, adapter.validate_python


def _inlined(schema: Any, definitions: dict[str, Any], inside: tuple[str, ...]) -> Any:
    """*schema* with each definition in the place of its reference; a type that holds itself keeps the reference."""
    if isinstance(schema, list):
        return [_inlined(one, definitions, inside) for one in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name in definitions and name not in inside and len(inside) < MAX_DEPTH:
        known = _inlined(definitions[name], definitions, (*inside, name))
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {**{key: value for key, value in known.items() if key != "title"}, **rest}
    return {key: _inlined(value, definitions, inside) for key, value in schema.items()}
