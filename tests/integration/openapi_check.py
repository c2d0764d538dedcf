"""What an OpenAPI 3.1 document must be, as far as ours uses the format, and whether values fit its schemas."""

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}
SCHEMA_KEYS = {"$ref", "type", "properties", "required", "items", "additionalProperties", "anyOf", "allOf", "enum",
               "const", "description", "examples", "minimum", "minProperties", "maxProperties"}
PYTHON_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


class Document:
    def __init__(self, document):
        self.document = document
        self.problems = []

    def resolve(self, reference):
        node = self.document
        for part in reference.split("/")[1:]:
            node = node[part]
        return node

    def require(self, condition, where, what):
        if not condition:
            self.problems.append(f"{where}: {what}")

    def check(self):
        """A list of problems."""
        document = self.document
        self.require(document.get("openapi") == "3.1.0", "openapi", "the version")
        for name in ("title", "version"):
            self.require(isinstance(document["info"].get(name), str), "info", name)
        self.require(set(document) == {"openapi", "info", "paths", "components", "security"}, "document", "members")
        for requirement in document["security"]:
            for name in requirement:
                self.require(name in document["components"]["securitySchemes"], "security", name)
        for name, schema in document["components"]["schemas"].items():
            self.check_schema(schema, name)
        for name, response in document["components"]["responses"].items():
            self.check_response(response, name)
        seen = set()
        for path, item in document["paths"].items():
            self.require(path.startswith("/"), path, "begins with a slash")
            for method, operation in item.items():
                self.require(method in METHODS, path, method)
                self.require(operation["operationId"] not in seen, path, "operationId is there twice")
                seen.add(operation["operationId"])
                self.check_operation(operation, path)
        return self.problems

    def check_operation(self, operation, path):
        self.require(set(operation) <= {"operationId", "summary", "description", "tags", "parameters", "requestBody",
                                        "responses"}, path, "unknown members")
        self.require(isinstance(operation.get("summary"), str), path, "summary")
        self.require(operation["responses"], path, "responses")
        for status, response in operation["responses"].items():
            self.require(status.isdigit() and len(status) == 3, path, f"status {status}")
            self.check_response(response, f"{path} {status}")
        for parameter in operation.get("parameters", []):
            self.require({"name", "in", "schema"} <= set(parameter), path, "parameter")
        if "requestBody" in operation:
            self.require(operation["requestBody"]["required"] is True, path, "requestBody")
            self.check_content(operation["requestBody"]["content"], path)

    def check_response(self, response, where):
        if "$ref" in response:
            response = self.resolve(response["$ref"])
        self.require(isinstance(response.get("description"), str), where, "description")
        self.check_content(response.get("content", {}), where)

    def check_content(self, content, where):
        for kind, media in content.items():
            self.require("/" in kind, where, kind)
            self.check_schema(media["schema"], where)
            for name, example in media.get("examples", {}).items():
                self.require(self.fits(example["value"], media["schema"]), where, f"example {name}")

    def check_schema(self, schema, where):
        self.require(set(schema) <= SCHEMA_KEYS, where, f"keywords {set(schema) - SCHEMA_KEYS}")
        if "$ref" in schema:
            try:
                self.resolve(schema["$ref"])
            except KeyError:
                self.problems.append(f"{where}: {schema['$ref']}")
        kinds = schema.get("type", [])
        for kind in [kinds] if isinstance(kinds, str) else kinds:
            self.require(kind in TYPES, where, f"type {kind}")
        for name in schema.get("required", []):
            self.require(name in schema["properties"], where, f"required {name}")
        below = [*schema.get("properties", {}).values(), *schema.get("anyOf", []), *schema.get("allOf", [])]
        below += [schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)]
        for part in below:
            self.check_schema(part, where)

    @staticmethod
    def is_a(value, kind):
        if kind == "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        if kind == "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, PYTHON_TYPES[kind])

    def fits(self, value, schema):
        """Whether the value fits the schema."""
        if "$ref" in schema:
            return self.fits(value, self.resolve(schema["$ref"]))
        kinds = schema.get("type")
        if kinds and not any(self.is_a(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
            return False
        if "const" in schema and (value != schema["const"] or type(value) is not type(schema["const"])):
            return False
        if "enum" in schema and value not in schema["enum"]:
            return False
        if any(not self.fits(value, part) for part in schema.get("allOf", [])):
            return False
        if "anyOf" in schema and not any(self.fits(value, part) for part in schema["anyOf"]):
            return False
        if isinstance(value, list):
            return all(self.fits(item, schema.get("items", {})) for item in value)
        if isinstance(value, dict):
            properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
            return all(name in value for name in schema.get("required", [])) and \
                schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)) and \
                all(self.fits(item, properties.get(name, others)) for name, item in value.items())
        return value >= schema["minimum"] if "minimum" in schema else True
