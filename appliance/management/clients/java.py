"""A client in Java: records for models and for arguments, a method for each operation. What carries requests is written by hand.

src/main/java/appliance/client/Client.java         a method for each operation
src/main/java/appliance/client/models/*.java       a record for each schema
src/main/java/appliance/client/arguments/*.java    a record for each operation that has arguments which need not be given
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from appliance.management.clients.java_words import classes, comment, literal, members, pascal
from appliance.management.clients.operations import Argument, Document, Operation, Schema, operations
from appliance.management.clients.shapes import (
    Many,
    Model,
    Nullable,
    Scalar,
    Shape,
    Table,
    endless,
    is_record,
    is_secret,
    listed,
    shape,
)
from appliance.management.clients.words import sentence

FOLDER: Final = "src/main/java/appliance/client"
_PLAIN: Final = {"long": "Long", "double": "Double", "boolean": "Boolean"}
"""Primitive types, and those that may be null."""
_KINDS: Final = {"string": "String", "integer": "long", "number": "double", "boolean": "boolean"}
_TAKEN: Final = (
    "ask",
    "follow",
    "values",
    "pages",
    "part",
    "request",
    "sent",
    "pause",
    "failed",
    "problem",
    "given",
    "options",
    "withIdempotencyKey",
)
"""Names that the client has already."""
_HEAD: Final = "// Generated from the description of the API, version {version}: do not edit.\npackage {package};\n\n"


def files(document: Document) -> dict[str, str]:
    """The texts of the generated files, by their paths."""
    return _Writer(document).files()


class _Kind(NamedTuple):
    """A type."""

    text: str
    models: frozenset[str] = frozenset()
    """Classes of models that it names."""

    @property
    def boxed(self) -> str:
        return _PLAIN.get(self.text, self.text)


class _Writer:
    """Of one description."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._version = document["info"]["version"]
        self._schemas: Mapping[str, Schema] = document["components"]["schemas"]
        self._classes = classes(name for name, schema in self._schemas.items() if is_record(schema))
        self._operations = operations(document)
        paged = (f"{each.name} all" for each in self._operations if self._item(each))
        self._names = members((*(each.name for each in self._operations), *paged), _TAKEN)
        """Of methods, by operation, and by operation and "all" for those that go through pages."""
        self._records = classes(f"{pascal(each.name)}Arguments" for each in self._operations)

    def files(self) -> dict[str, str]:
        found = {f"{FOLDER}/models/{self._classes[name]}.java": self._model(name) for name in self._classes}
        for each in self._operations:
            if _optional(each):
                found[f"{FOLDER}/arguments/{self._record(each)}.java"] = self._arguments(each)
        found[f"{FOLDER}/Client.java"] = self._client()
        found["pom.xml"] = _PROJECT.format(version=self._version)
        found["README.md"] = _README
        return found

    def _record(self, operation: Operation) -> str:
        return self._records[f"{pascal(operation.name)}Arguments"]

    def kind(self, schema: Any) -> _Kind:
        """The type of a value: Object where it may be of several."""
        return self._kind(shape(schema))

    def _kind(self, one: Shape) -> _Kind:
        match one:
            case Scalar(kind):
                return _Kind(_KINDS[kind])
            case Nullable(item):
                found = self._kind(item)
                return _Kind(found.boxed, found.models)
            case Many(item):
                found = self._kind(item)
                return _Kind(f"List<{found.boxed}>", found.models)
            case Table(item):
                found = self._kind(item)
                return _Kind(f"Map<String, {found.boxed}>", found.models)
            case Model(name) if name in self._classes:
                return _Kind(self._classes[name], frozenset({self._classes[name]}))
            case Model(name) if not endless(self._schemas, name):
                return self._kind(shape(self._schemas[name]))
            case _:
                return _Kind("Object")

    def _model(self, name: str) -> str:
        schema = self._schemas[name]
        required = schema.get("required", ())
        properties = schema["properties"]
        names = members(properties)
        kinds = {each: self.kind(one) for each, one in properties.items()}
        fields = [
            f"\n    @JsonProperty({literal(each)}) {kinds[each].text if each in required else kinds[each].boxed} {names[each]}"
            for each in properties
        ]
        told = [(names[each], one.get("description", "")) for each, one in properties.items() if isinstance(one, Mapping)]
        used = ("com.fasterxml.jackson.annotation.JsonProperty", *_collections(kinds.values())) if fields else ()
        return (
            _HEAD.format(version=self._version, package="appliance.client.models")
            + _imports(used)
            + comment(schema.get("description", f"{name}."), 0, told)
            + f"public record {self._classes[name]}({','.join(fields)}) {{{_said(self._classes[name], properties, names)}}}\n"
        )

    def _arguments(self, operation: Operation) -> str:
        name = self._record(operation)
        names = members((each.name for each in operation.arguments), ("of",))
        kinds = {each.name: self.kind(each.schema) for each in operation.arguments}
        texts = {each.name: _argument(each, kinds[each.name]) for each in operation.arguments}
        needed = [each for each in operation.arguments if each.required]
        fields = ", ".join(f"{texts[each.name]} {names[each.name]}" for each in operation.arguments)
        made = ", ".join(names[each.name] if each.required else "null" for each in operation.arguments)
        lines = [
            _HEAD.format(version=self._version, package="appliance.client.arguments")
            + _imports([*_collections(kinds.values()), *_models(kinds.values())])
            + comment(
                f"What {operation.name} takes. Each method gives a copy with one thing changed; what is null is not sent.",
                0,
                [(names[each.name], each.about) for each in operation.arguments],
            )
            + f"public record {name}({fields}) {{",
            "  /** With what has to be given. */",
            f"  public static {name} of({', '.join(f'{texts[each.name]} {names[each.name]}' for each in needed)}) {{",
            f"    return new {name}({made});",
            "  }",
        ]
        for each in operation.arguments:
            if not each.required:
                lines += [
                    "",
                    f"  public {name} {names[each.name]}({kinds[each.name].text} {names[each.name]}) {{",
                    f"    return new {name}({', '.join(names.values())});",
                    "  }",
                ]
        said = _said(name, {each.name: each.schema for each in operation.arguments}, names)
        return "\n".join([*lines, f"{said}}}\n"])

    def _client(self) -> str:
        results = [self._result(each) for each in self._operations]
        kinds = [*results, *(self.kind(argument.schema) for each in self._operations for argument in each.arguments)]
        items = [item for each in self._operations if (item := self._item(each))]
        used = [
            *(["com.fasterxml.jackson.core.type.TypeReference"] if any("<" in kind.text for kind in results) else []),
            *(f"appliance.client.arguments.{self._record(each)}" for each in self._operations if _optional(each)),
            *_models([*kinds, *items]),
            *_collections([*kinds, *items]),
            *(["java.util.stream.Stream"] if items else []),
        ]
        methods = "\n".join(text for each in self._operations for text in self._methods(each))
        return f"{_HEAD.format(version=self._version, package='appliance.client')}{_imports(used)}{_CLASS}\n{methods}}}\n"

    def _result(self, operation: Operation) -> _Kind:
        return _Kind("Void") if operation.result is None else self.kind(operation.result)

    def _item(self, operation: Operation) -> _Kind | None:
        """What a list is of; None if the answer is no page."""
        item = listed(self._document, operation)
        return None if item is None else self.kind(item)

    def _methods(self, operation: Operation) -> Iterable[str]:
        method, record, result = self._names[operation.name], self._record(operation), self._result(operation)
        answer = f"EventStream<{result.boxed}>" if operation.stream else result.boxed if operation.result is not None else "void"
        about = comment(f"{sentence(operation.summary)}. {operation.about}", 2)
        needed = self._needed(operation)
        if not _optional(operation):
            yield _method(about, answer, f"{method}({needed.texts})", _call(operation, result, needed.names))
            return
        names = members((each.name for each in operation.arguments), ("of",))
        given = {each: f"given.{name}()" for each, name in names.items()}
        few = f"{record}.of({', '.join(needed.names.values())})"
        yield _method(about, answer, f"{method}({needed.texts})", f"{method}({few})")
        yield _method(about, answer, f"{method}({record} given)", _call(operation, result, given))
        item = self._item(operation)
        if item is not None:
            every = self._names[f"{operation.name} all"]
            about = comment(f"{sentence(operation.summary)}, from all pages: each is asked for when it is needed.", 2)
            pages = f"pages(after -> {method}(given.{names['after']}(after)), {result.text}::items, {result.text}::next)"
            yield _method(about, f"Stream<{item.boxed}>", f"{every}({needed.texts})", f"{every}({few})")
            yield _method(about, f"Stream<{item.boxed}>", f"{every}({record} given)", pages)

    def _needed(self, operation: Operation) -> _Needed:
        needed = [each for each in operation.arguments if each.required]
        names = members((each.name for each in needed), _TAKEN)
        texts = ", ".join(f"{_argument(each, self.kind(each.schema))} {names[each.name]}" for each in needed)
        return _Needed(names, texts)


class _Needed(NamedTuple):
    """The arguments that have to be given."""

    names: Mapping[str, str]
    texts: str
    """As a method declares them."""


def _said(record: str, properties: Mapping[str, Schema], names: Mapping[str, str]) -> str:
    """How a record prints where a component is secret: what programs print may end in logs. "" if it may say all."""
    secret = {name for name, schema in properties.items() if is_secret(schema) or is_secret(_items(schema))}
    if not secret:
        return ""
    told = [f'"{names[each]}=(secret)"' if each in secret else f'"{names[each]}=" + {names[each]}' for each in properties]
    text = ' + ", " + '.join(told)
    return f'\n  @Override\n  public String toString() {{\n    return "{record}[" + {text} + "]";\n  }}\n'


def _items(schema: Any) -> Any:
    return schema.get("items") if isinstance(schema, Mapping) else None


def _method(about: str, answer: str, declared: str, call: str) -> str:
    return f"{about}  public {answer} {declared} {{\n    {'' if answer == 'void' else 'return '}{call};\n  }}\n"


def _optional(operation: Operation) -> bool:
    return any(not each.required for each in operation.arguments)


def _argument(argument: Argument, kind: _Kind) -> str:
    return kind.text if argument.required else kind.boxed


def _call(operation: Operation, result: _Kind, names: Mapping[str, str]) -> str:
    path = re.sub(r"\{([^}]+)\}", lambda found: f'" + part({names[found[1]]}) + "', f'"{operation.path}"').removesuffix(' + ""')
    query = _values(operation, "query", names)
    kind = f"Json.type({result.text}.class)" if "<" not in result.text else f"Json.type(new TypeReference<{result.text}>() {{}})"
    if operation.stream:
        return f"follow({path}, {query}, {kind})"
    body = _values(operation, "body", names) if operation.has_body else "null"
    return f'ask("{operation.verb}", {path}, {query}, {body}, {kind})'


def _values(operation: Operation, where: str, names: Mapping[str, str]) -> str:
    return (
        "values("
        + ", ".join(f"{literal(each.name)}, {names[each.name]}" for each in operation.arguments if each.where == where)
        + ")"
    )


def _collections(kinds: Iterable[_Kind]) -> list[str]:
    text = " ".join(kind.text for kind in kinds)
    return [f"java.util.{each}" for each in ("List", "Map") if f"{each}<" in text]


def _models(kinds: Iterable[_Kind]) -> list[str]:
    return [f"appliance.client.models.{name}" for name in sorted(frozenset().union(*(kind.models for kind in kinds)))]


def _imports(names: Iterable[str]) -> str:
    lines = "".join(f"import {name};\n" for name in sorted(set(names)))
    return f"{lines}\n" if lines else ""


_CLASS: Final = """\
/** The API of a node. Failed requests throw {@link ProblemException} or {@link ConnectionFailedException}. */
public final class Client extends Transport {
  public Client(String url, Options options) {
    super(url, options);
  }

  private Client(Client other, String key) {
    super(other, key);
  }

  /**
   * This client, each of whose requests has that Idempotency-Key, and may be sent again whatever happened to it. Take a new key
   * for each thing to do, and only for operations that say so: others do not look at it.
   */
  public Client withIdempotencyKey(String key) {
    return new Client(this, key);
  }
"""
_PROJECT: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:schemaLocation="http://maven.apache.org/POM/4.0.0 http://maven.apache.org/xsd/maven-4.0.0.xsd">
  <modelVersion>4.0.0</modelVersion>
  <groupId>appliance</groupId>
  <artifactId>appliance-client</artifactId>
  <version>{version}</version>
  <description>A client of the appliance's API, generated from its description</description>
  <licenses>
    <license>
      <name>MIT</name>
    </license>
  </licenses>
  <properties>
    <maven.compiler.release>17</maven.compiler.release>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency>
      <groupId>com.fasterxml.jackson.core</groupId>
      <artifactId>jackson-databind</artifactId>
      <version>2.17.2</version>
    </dependency>
  </dependencies>
  <build>
    <plugins>
      <plugin>
        <artifactId>maven-compiler-plugin</artifactId>
        <version>3.13.0</version>
      </plugin>
    </plugins>
  </build>
</project>
"""
_README: Final = """\
# appliance-client

A client of the appliance's API for Java 17, generated by `appliance generate-client java`. It stands on `java.net.http`, and on
Jackson 2.12 or later for JSON.

```java
import appliance.client.*;
import appliance.client.arguments.*;
import java.nio.file.Path;

Options options = Options.defaults().token("…").authorities(Path.of("node.pem"));
Client client = new Client("https://192.0.2.10:8470", options);
System.out.println(client.status().state());
client.peersAll().forEach(peer -> System.out.println(peer.name()));
client.invite(InviteArguments.of("laptop").ttl(60));
try (var events = client.eventsFollow()) {
  for (var event : events) System.out.println(event.event() + " " + event.members());
}
try {
  client.lookup("nobody");
} catch (ProblemException error) {
  System.out.println(error.code() + ": " + error.hint());
}
```

- A method takes what has to be given. Where there is more to say, a second one takes a record of `appliance.client.arguments`.
- `Options` has the token (or what gives one), timeout, retries, rate, further header fields, a file with authorities, and pins
  (`sha256/…`, as `appliance status` shows them).
- Requests that were not carried out (429, 503) are sent again after a growing pause, or after what `Retry-After` says; those that
  may have been are sent again only if that does no harm. `withIdempotencyKey` makes it so for operations that look at the key.
  `retries(0)` sends once.
- Lists have a second method with `All`: a stream that asks for each page when it is needed. An `EventStream` connects again where
  it was cut off, until the server says that nothing follows, or somebody closes it.
- What may be null is null where it was not told. Members that later servers tell are ignored.
"""
