"""What a Python function may raise and touch, by what it and the functions beside it do."""

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from functions.ir import Effect

Function = ast.FunctionDef | ast.AsyncFunctionDef

_BY_NAME: Mapping[str, Effect] = {
    "open": "filesystem", "io.open": "filesystem", "shutil": "filesystem", "tempfile": "filesystem",
    "glob": "filesystem", "os.path.exists": "filesystem", "os.path.isfile": "filesystem",
    "os.path.isdir": "filesystem", "os.path.getsize": "filesystem", "os.path.getmtime": "filesystem",
    "os.remove": "filesystem", "os.unlink": "filesystem", "os.rename": "filesystem", "os.replace": "filesystem",
    "os.mkdir": "filesystem", "os.makedirs": "filesystem", "os.rmdir": "filesystem", "os.listdir": "filesystem",
    "os.scandir": "filesystem", "os.walk": "filesystem", "os.stat": "filesystem", "os.open": "filesystem",
    "sqlite3": "filesystem", "zipfile": "filesystem", "tarfile": "filesystem",
    "requests": "network", "httpx": "network", "aiohttp": "network", "urllib.request": "network",
    "urllib3": "network", "http.client": "network", "socket": "network", "smtplib": "network", "ftplib": "network",
    "boto3": "network", "paramiko": "network", "websockets": "network", "asyncio.open_connection": "network",
    "time.time": "clock", "time.time_ns": "clock", "time.monotonic": "clock", "time.perf_counter": "clock",
    "time.sleep": "clock", "time.localtime": "clock", "time.gmtime": "clock", "asyncio.sleep": "clock",
    "datetime.datetime.now": "clock", "datetime.datetime.utcnow": "clock", "datetime.datetime.today": "clock",
    "datetime.date.today": "clock",
    "random": "randomness", "secrets": "randomness", "uuid.uuid1": "randomness", "uuid.uuid4": "randomness",
    "os.urandom": "randomness", "numpy.random": "randomness",
    "subprocess": "process", "multiprocessing": "process", "os.system": "process", "os.popen": "process",
    "os.fork": "process", "os.kill": "process", "os._exit": "process", "sys.exit": "process", "signal": "process",
    "input": "process", "sys.stdin": "process", "sys.argv": "process", "exit": "process", "quit": "process",
    "print": "output", "logging": "output", "sys.stdout": "output", "sys.stderr": "output", "warnings.warn": "output",
    "os.environ": "global_state", "os.getenv": "global_state", "os.putenv": "global_state",
    "os.chdir": "global_state", "locale.setlocale": "global_state",
}  # fmt: skip
_OF_PATHS = frozenset(
    {"read_text", "write_text", "read_bytes", "write_bytes", "iterdir", "rglob", "unlink", "touch", "is_file", "is_dir"}
)
_MUTATING = frozenset(
    {"append", "extend", "insert", "add", "update", "setdefault", "clear", "pop", "popitem", "remove", "discard"}
)


@dataclass(frozen=True)
class Module:
    """A module's tree with what its names stand for."""

    functions: Mapping[str, Function]
    imports: Mapping[str, str]
    variables: frozenset[str]

    @classmethod
    def of(cls, tree: ast.Module) -> "Module":
        """Of the module's own level, not of what is inside functions."""
        imports: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imports |= {a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0]
                            for a in node.names}  # fmt: skip
            elif isinstance(node, ast.ImportFrom):
                imports |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        assigned = (node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign))
        names = {
            name.id for node in assigned for name in ast.walk(node)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        }  # fmt: skip
        functions = {node.name: node for node in tree.body if isinstance(node, Function)}
        return cls(functions, imports, frozenset(names))

    def reached(self, function: Function) -> list[Function]:
        """The function, and those of the module that it calls, directly or not."""
        found = {function.name: function}
        waiting = [function]
        while waiting:
            for name in _called(waiting.pop()):
                if name in self.functions and name not in found:
                    found[name] = self.functions[name]
                    waiting.append(self.functions[name])
        return list(found.values())

    def effects(self, function: Function) -> list[Effect]:
        """What it may touch, in the order of `functions.ir.Effect`."""
        found = {effect for reached in self.reached(function) for effect in self._effects(reached)}
        return [effect for effect in Effect.__args__ if effect in found]  # type: ignore[attr-defined] # of a Literal

    def raises(self, function: Function) -> list[str]:
        """The classes that its `raise` statements name, and those of the functions it calls, unless it catches them."""
        return list(dict.fromkeys(self._raised(function.body, frozenset(), (), frozenset({function.name}))))

    def _effects(self, function: Function) -> Iterator[Effect]:
        local = {name.id for name in ast.walk(function) if isinstance(name, ast.Name) and _stores(name)}
        local |= {argument.arg for argument in ast.walk(function) if isinstance(argument, ast.arg)}
        declared = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
        shared = self.variables - (local - declared)
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                yield "global_state"
            if isinstance(node, ast.Name | ast.Attribute):
                dotted = self._dotted(node, local)
                yield from (effect for name, effect in _BY_NAME.items() if dotted == name or _below(dotted, name))
            match node:
                case ast.Attribute(value=ast.Name(id=name)) | ast.Subscript(value=ast.Name(id=name)) if (
                    name in shared and not isinstance(node.ctx, ast.Load)
                ):
                    yield "global_state"
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if (
                    name in shared and attr in _MUTATING
                ):
                    yield "global_state"
                case ast.Call(func=ast.Attribute(attr=attr)) if attr in _OF_PATHS:
                    yield "filesystem"

    def _dotted(self, node: ast.expr, local: set[str]) -> str:
        """The name that an expression such as `np.random.rand` stands for; empty where it is a value's attribute."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or (node.id in local and node.id not in self.imports):
            return ""
        known = self.imports.get(node.id)
        if known is None and (parts or node.id in self.functions or not hasattr(builtins, node.id)):
            return ""
        return ".".join([known or node.id, *parts])

    def _raised(
        self, nodes: Iterable[ast.AST], caught: frozenset[str], handling: tuple[str, ...], seen: frozenset[str]
    ) -> Iterator[str]:
        for node in nodes:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                    continue
                case ast.Raise(exc=None):
                    yield from (name for name in handling if not _is_caught(name, caught))
                case ast.Raise(exc=ast.expr() as raised):
                    name = ast.unparse(raised.func if isinstance(raised, ast.Call) else raised)
                    if name.split(".")[-1][:1].isupper() and not _is_caught(name, caught):
                        yield name
                case ast.Try():
                    names = [_handled(handler) for handler in node.handlers]
                    inside = caught | {name for several in names for name in several}
                    yield from self._raised(node.body, inside, handling, seen)
                    for handler, several in zip(node.handlers, names, strict=True):
                        yield from self._raised(handler.body, caught, several, seen)
                    yield from self._raised([*node.orelse, *node.finalbody], caught, handling, seen)
                    continue
                case ast.Call(func=ast.Name(id=name)) if name in self.functions and name not in seen:
                    yield from self._raised(self.functions[name].body, caught, (), seen | {name})
            yield from self._raised(ast.iter_child_nodes(node), caught, handling, seen)


def _stores(name: ast.Name) -> bool:
    return not isinstance(name.ctx, ast.Load)


def _below(dotted: str, name: str) -> bool:
    return dotted.startswith(f"{name}.")


def _called(function: Function) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def _handled(handler: ast.ExceptHandler) -> tuple[str, ...]:
    match handler.type:
        case None:
            return ("BaseException",)
        case ast.Tuple(elts=several):
            return tuple(map(ast.unparse, several))
        case one:
            return (ast.unparse(one),)


def _is_caught(name: str, caught: frozenset[str]) -> bool:
    if name in caught or caught & {"Exception", "BaseException"}:
        return True
    raised = getattr(builtins, name, None)
    handlers = [getattr(builtins, other, None) for other in caught]
    return isinstance(raised, type) and any(isinstance(h, type) and issubclass(raised, h) for h in handlers)
