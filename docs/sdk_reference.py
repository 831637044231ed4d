"""docs/sdk-reference.md, from the docstrings of the code: what a program imports from the SDK, and what that gives it.

.venv/bin/python docs/sdk_reference.py >docs/sdk-reference.md

Everything in `appliance.sdk.__all__` is there; a name of it that no chapter takes is an error.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SDK = ROOT / "appliance/sdk"
CHAPTERS = {
    "Client": {"client": "Client", "config": "ClientConfig", "peers": "NodeHealth Peer"},
    "Streams and datagrams": {"connection": "Connection", "datagrams": "Datagrams", "listener": "Listener"},
    "Tunnels and the proxy": {"local.tunnel": "Tunnel TunnelMetrics", "local.proxy": "Proxy"},
    "Pools": {"resilience.pool": "Pool PoolLimits"},
    "Services": {"service": "Service", "instances": "Instance", "offering": "Offering ServiceConfig HealthCheck"},
    "Meshes": {"mesh": "Mesh MeshConfig Message Presence Delivery"},
    "Topics": {"topic": "Topic TopicMessage"},
    "Around calls": {
        "interceptors": "Call Proceed Interceptor",
        "metrics": "ClientMetrics ConnectionMetrics",
        "tracing": "continued",
        "spans": "calls served",
    },
    "A node of its own": {"own_node": "OwnNode NodeNotStarted"},
    "Without asyncio": {"blocking": "connect listen Accepted publish subscribe"},
    "Errors": {"errors": "*"},
}
"""The pages' order: which names of which modules. `*` is every public class."""
INNER = {"follow", "open_stream", "intercepted", "of", "candidate"}
"""Members that the SDK's own modules call; programs have no need of them."""
HEAD = """\
# Reference of the SDK

<!-- Generated from the docstrings of appliance/sdk: make docs -->

Every name that a program uses, with its signature. [sdk.md](sdk.md) says what it is for, and has examples. What has no
brackets is a property or a field. Objects come from calls mostly: a `Tunnel` from `Client.tunnel`.
"""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def reference() -> str:
    """The whole page."""
    exported = _exported()
    parts = [HEAD.rstrip()]
    for title, modules in CHAPTERS.items():
        parts.append(f"## {title}")
        for module, names in modules.items():
            tree = ast.parse(SDK.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8"))
            wanted = _classes(tree) if names == "*" else names.split()
            for name in wanted:
                parts.append(_thing(tree, name, f"appliance.sdk{'' if name in exported else f'.{module}'}"))
                exported.discard(name)
    if exported:
        raise ValueError(f"no chapter has {', '.join(sorted(exported))}")
    return "\n\n".join(parts) + "\n"


def _exported() -> set[str]:
    tree = ast.parse((SDK / "__init__.py").read_text(encoding="utf-8"))
    return next(
        set(ast.literal_eval(node.value)) for node in tree.body if isinstance(node, ast.Assign) and _target(node) == "__all__"
    )


def _target(node: ast.stmt) -> str:
    """The name that an assignment is for; empty for anything else."""
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) else ""


def _classes(tree: ast.Module) -> list[str]:
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


def _thing(tree: ast.Module, name: str, where: str) -> str:
    for node, after in _with_next(tree.body):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _class(node, where)
        if isinstance(node, Function) and node.name == name:
            return f"### {name}\n\n`from {where} import {name}`\n\n`{_call(node, name)}`\n\n{_prose(ast.get_docstring(node))}"
        if _target(node) == name and isinstance(node, ast.Assign):
            said = f"`{name} = {ast.unparse(node.value)}`"
            return f"### {name}\n\n`from {where} import {name}`\n\n{said}\n\n{_prose(_text(after))}"
    raise ValueError(f"{where} has no {name}")


def _class(node: ast.ClassDef, where: str) -> str:
    bases = [ast.unparse(base) for base in node.bases]
    kind = f" It is also a {bases[1]}." if len(bases) > 1 and bases[1].endswith("Error") else ""
    passes = " The same call may succeed later." if any(_target(each) == "retryable" for each in node.body) else ""
    said = f"{_prose(ast.get_docstring(node))}{kind}{passes}"
    parts = [f"### {node.name}", f"`from {where} import {node.name}`", said]
    listed = [*_constructor(node), *_fields(node), *_methods(node)]
    return "\n\n".join([*parts, "\n".join(listed)] if listed else parts)


def _constructor(node: ast.ClassDef) -> Iterator[str]:
    """Shown where programs call it: where it says what its arguments are, and where nothing else makes the object."""
    for member in node.body:
        if isinstance(member, Function) and member.name == "__init__" and (ast.get_docstring(member) or node.name == "OwnNode"):
            yield _item(_call(member, node.name).removesuffix(" -> None"), ast.get_docstring(member))


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for member, after in _with_next(node.body):
        name = _target(member)
        if isinstance(member, ast.AnnAssign) and name and not name.startswith("_"):
            default = "" if member.value is None else f" = {ast.unparse(member.value)}"
            yield _item(f"{name}: {ast.unparse(member.annotation)}{default}", _text(after))


def _methods(node: ast.ClassDef) -> Iterator[str]:
    for member in node.body:
        if isinstance(member, Function) and not member.name.startswith("_") and member.name not in INNER:
            yield _item(_call(member, member.name), ast.get_docstring(member))


def _call(node: Function, name: str) -> str:
    """How it is called, with types and defaults, without `self`."""
    decorated = {ast.unparse(each) for each in node.decorator_list}
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if "property" in decorated:
        return f"{name}{returns}"
    before = "async with " if "asynccontextmanager" in decorated else "with " if "contextmanager" in decorated else ""
    if isinstance(node, ast.AsyncFunctionDef) and not before:
        before = "async for … in " if "AsyncGenerator" in returns or "AsyncIterator" in returns else "await "
    if before.endswith("with ") and (yielded := re.search(r"Generator\[(.*)\]|Iterator\[(.*)\]", returns)):
        returns = f" as {yielded[1] or yielded[2]}"
        returns = returns.removesuffix(", None")
    arguments = re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args))
    return f"{before}{name}({arguments}){returns}"


def _item(code: str, said: str | None) -> str:
    return f"- `{code}`" + (f"  \n  {_prose(said)}" if said else "")


def _text(node: ast.stmt | None) -> str:
    """The docstring that stands below a field or an alias."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return ""


def _with_next(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, ast.stmt | None]]:
    return zip(body, [*body[1:], None], strict=True)


def _prose(said: str | None) -> str:
    """A docstring as one paragraph."""
    return " ".join(inspect.cleandoc(said or "").split())


if __name__ == "__main__":
    sys.stdout.write(reference())
