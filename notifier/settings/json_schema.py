"""The JSON Schema of the configuration file: what an editor needs to help whoever writes one."""

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import NullableSchema, WithDefaultSchema

from notifier.settings.kinds import written
from notifier.settings.model import Settings

_CONSTRAINTS = {"pattern", "enum", "minimum", "exclusiveMinimum"}
_NO_DEFAULTS: tuple[object, ...] = (None, [])  # what stands for nothing in particular


class _SchemaMaker(GenerateJsonSchema):
    """Writes durations as the file does, and leaves out titles and nulls, which help nobody who writes one."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False

    def encode_default(self, dft: Any) -> Any:
        return written(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {name: value for name, value in made.items() if name != "default" or value not in _NO_DEFAULTS}


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the configuration file."""
    made: dict[str, Any] = _with_variables(Settings.model_json_schema(schema_generator=_SchemaMaker))
    return {"$schema": _SchemaMaker.schema_dialect, **made}


def _with_variables(made: Any) -> Any:
    """Let `${NAME}` stand for every value that must look a certain way."""
    if not isinstance(made, dict):
        return [_with_variables(each) for each in made] if isinstance(made, list) else made
    if not _CONSTRAINTS & made.keys() and made.get("type") != "boolean":
        return {name: _with_variables(inner) for name, inner in made.items()}
    told = {name: made.pop(name) for name in ("description", "default") if name in made}
    return {**told, "anyOf": [made, {"type": "string", "pattern": r"\$\{"}]}
