"""Turns `docs/schema/models.json` on the standard input into `src/hq_bridge/_generated/models.py` on the standard output.

Called by `npm run generate` (`scripts/generate/pythonModels.mjs`), which writes the file or checks it; standard library
only. What is not understood is an error, so that no field is typed wrongly in silence.
"""

from __future__ import annotations

import json
import sys
import textwrap
from typing import Any, Dict, Iterable, List, Tuple

HEADER = '''"""Types of everything that crosses the HTTP API.

Generated from docs/schema/models.json by `npm run generate` (python-shim/tools/generate_models.py); do not edit.
"""

from __future__ import annotations

from typing import Any, Dict, List, Literal, TypedDict, Union

'''
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
WIDTH = 120

Schema = Dict[str, Any]


def pascal(name: str) -> str:
    """`task-started` and `taskStarted` become `TaskStarted`."""
    return "".join(part[:1].upper() + part[1:] for part in name.replace("_", "-").split("-"))


class Generator:
    """Turns the models under `$defs` into Python source, in their order."""

    def __init__(self, models: Dict[str, Schema]) -> None:
        self.models = models
        self.blocks: List[str] = []
        self.names: List[str] = []

    def source(self) -> str:
        # A union that an intersection completes never crosses the API on its own.
        parts = {self.reference(schema["allOf"][1]) for schema in self.models.values() if "allOf" in schema}
        for name, schema in self.models.items():
            if name not in parts:
                self.model(pascal(name), schema)
        exported = "".join(f'    "{name}",\n' for name in sorted(self.names))
        return HEADER + f"__all__ = [\n{exported}]\n\n\n" + "\n\n".join(self.blocks)

    def model(self, name: str, schema: Schema) -> None:
        if schema.get("type") == "object" and "properties" in schema:
            self.typed_dict(name, [schema])
        elif "allOf" in schema:
            self.intersection(name, schema["allOf"])
        elif "oneOf" in schema and all("properties" in variant for variant in schema["oneOf"]):
            self.union(name, [(self.variant_name(name, variant), [variant]) for variant in schema["oneOf"]])
        else:
            self.alias(name, self.type_of(f"{name}Value", schema))

    def intersection(self, name: str, parts: List[Schema]) -> None:
        """Fields that all variants of a union have in addition: one class per variant with the fields of both."""
        own, others = parts
        variants = self.models[self.reference(others)]["oneOf"]
        self.union(name, [(self.variant_name(name, variant), [own, variant]) for variant in variants])

    def union(self, name: str, members: Iterable[Tuple[str, List[Schema]]]) -> None:
        names = []
        for member, parts in members:
            self.typed_dict(member, parts)
            names.append(member)
        self.alias(name, f"Union[{', '.join(names)}]")

    def reference(self, schema: Schema) -> str:
        """Name of the model that a `$ref` points to."""
        return str(schema["$ref"]).rsplit("/", 1)[1]

    def variant_name(self, name: str, variant: Schema) -> str:
        """Named after its first constant field: `type: task-started` makes `HqEventTaskStarted`."""
        constants = [field["const"] for field in variant["properties"].values() if "const" in field]
        return name + pascal(constants[0])

    def alias(self, name: str, text: str) -> None:
        self.names.append(name)
        self.blocks.append(fitted(f"{name} = {text}", "") + "\n")

    def typed_dict(self, name: str, parts: List[Schema]) -> None:
        """Two classes where some fields may be left out: Python 3.8 has no `NotRequired`."""
        required: List[str] = []
        optional: List[str] = []
        for part in parts:
            must = set(part.get("required", []))
            for field, schema in part.get("properties", {}).items():
                (required if field in must else optional).append(self.field(name, field, schema))
        if not optional:
            self.typed_class(name, "TypedDict", required)
        elif not required:
            self.typed_class(name, "TypedDict, total=False", optional)
        else:
            self.typed_class(f"_{name}", "TypedDict", required)
            self.typed_class(name, f"_{name}, total=False", optional)

    def typed_class(self, name: str, base: str, fields: List[str]) -> None:
        if not name.startswith("_"):
            self.names.append(name)
        self.blocks.append(f"class {name}({base}):\n" + "".join(fields))

    def field(self, owner: str, name: str, schema: Schema) -> str:
        remark = schema.get("description")
        comment = "".join(f"    # {line}\n" for line in wrapped(remark)) if remark else ""
        line = f"    {name}: {self.type_of(owner + pascal(name), schema)}"
        return comment + fitted(line, "    ") + "\n"

    def type_of(self, place: str, schema: Schema) -> str:
        """Python type of a schema; `place` names the class when it is an object of its own."""
        if "$ref" in schema:
            return f'"{pascal(self.reference(schema))}"'
        if "const" in schema or "enum" in schema:
            values = schema.get("enum", [schema.get("const")])
            return f"Literal[{', '.join(json.dumps(value) for value in values)}]"
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return f"Union[{', '.join(unique(self.type_of(place, part) for part in schema[key]))}]"
        kind = schema.get("type")
        if isinstance(kind, list):
            return f"Union[{', '.join(PLAIN[one] for one in kind)}]"
        if kind == "array":
            return f"List[{self.type_of(place, schema.get('items', {}))}]"
        if kind == "object" and "properties" in schema:
            self.typed_dict(place, [schema])
            return f'"{place}"'
        if kind == "object":
            return f"Dict[str, {self.type_of(place, schema.get('additionalProperties', {}))}]"
        if kind in PLAIN:
            return PLAIN[kind]
        if not schema.keys() - {"description", "default"}:
            return "Any"
        raise SystemExit(f"generate_models.py does not understand the schema of {place}: {json.dumps(schema)}")


def unique(items: Iterable[str]) -> List[str]:
    return list(dict.fromkeys(items))


def fitted(line: str, indent: str) -> str:
    """A line that ends with a list in brackets, broken like a formatter does it where it is too long."""
    if len(line) <= WIDTH or not line.endswith("]"):
        return line
    head, _, items = line[:-1].partition("[")
    if "[" in items:
        raise SystemExit(f"generate_models.py cannot break this line: {line}")
    return f"{head}[\n" + "".join(f"{indent}    {item},\n" for item in items.split(", ")) + f"{indent}]"


def wrapped(text: str) -> List[str]:
    return textwrap.wrap(text, WIDTH - len("    # "))


def main() -> None:
    models = json.loads(sys.stdin.buffer.read())["$defs"]
    sys.stdout.buffer.write(Generator(models).source().encode())


if __name__ == "__main__":
    main()
