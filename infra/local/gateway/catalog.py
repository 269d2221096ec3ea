"""The SQL functions that may be called by name, as PostgREST's schema cache knows them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from infra.local.gateway.connections import Connection
from infra.local.gateway.failures import rest_failure

SCHEMA = "public"
EXTRA_SEARCH_PATH = "extensions"

FUNCTIONS = """
select
  p.proname as name,
  case
    when p.prorettype = 'void'::regtype then 'void'
    when coalesce(base.typtype, t.typtype) = 'c' or p.proargmodes::text[] && '{t,b,o}' then 'row'
    else 'value'
  end as returns,
  p.proretset as is_set,
  p.provolatile <> 'v' as is_read_only,
  (select split_part(setting, '=', 2) from unnest(p.proconfig) as setting
    where setting like 'statement_timeout=%') as statement_timeout,
  coalesce(arguments.names, '{}') as names,
  coalesce(arguments.types, '{}') as types,
  p.pronargs - p.pronargdefaults as required,
  p.provariadic <> 0 as is_variadic
from pg_proc as p
join pg_type as t on t.oid = p.prorettype
left join pg_type as base on base.oid = t.typbasetype
left join lateral (
  select
    array_agg(coalesce(p.proargnames[position], '') order by position) as names,
    array_agg(format_type(type, null) order by position) as types
  from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as argument (type, position)
  where p.proargmodes is null or p.proargmodes[position] in ('i', 'b', 'v')
) as arguments on true
where p.pronamespace = to_regnamespace($1) and p.prokind = 'f' and t.typname <> 'trigger'
"""

ROLE_SETTINGS = """
select r.rolname as role, split_part(entry, '=', 1) as name, split_part(entry, '=', 2) as value
from pg_db_role_setting as s
join pg_roles as r on r.oid = s.setrole
cross join lateral unnest(s.setconfig) as entry
join pg_settings as known on known.name = split_part(entry, '=', 1) and known.context = 'user'
where s.setdatabase = 0 and pg_has_role(r.oid, 'member') and r.rolname <> current_user
"""


@dataclass(frozen=True)
class Function:
    """One function, overloads apart. The first `required` arguments have no default."""

    name: str
    returns: Literal["void", "value", "row"]
    is_set: bool
    is_read_only: bool
    statement_timeout: str | None
    names: tuple[str, ...]
    types: tuple[str, ...]
    required: int
    is_variadic: bool

    def takes(self, arguments: frozenset[str]) -> bool:
        """Whether it can be called with arguments of these names."""
        return arguments <= set(self.names) and arguments >= set(self.names[: self.required])

    @lru_cache(maxsize=1024)  # noqa: B019 - functions live as long as the catalog
    def statement(self, arguments: frozenset[str]) -> str:
        """SQL that calls it with the arguments in `$1`, a JSON object; gives `body` (JSON, text) and `rows`.

        The cast of each value is Postgres's own, by the type that the function declares.
        """
        given = [(name, type_) for name, type_ in zip(self.names, self.types, strict=True) if name in arguments]
        last = self.names[-1] if self.is_variadic else None
        passed = ", ".join(
            f"{'variadic ' if name == last else ''}{_quoted(name)} := _arguments.{_quoted(name)}" for name, _ in given
        )
        call = f"{_quoted(SCHEMA)}.{_quoted(self.name)}({passed})"
        if given:
            columns = ", ".join(f"{_quoted(name)} {type_}" for name, type_ in given)
            call = f"json_to_record($1::json) as _arguments ({columns}), lateral {call}"
        value, result = ("_result", "_result") if self.returns == "row" else ("_result.value", "_result (value)")
        if self.returns == "void":
            columns = "null as body, count(*) as rows"
        elif self.is_set:
            columns = f"coalesce(json_agg({value}), '[]')::text as body, count(*) as rows"
        else:
            columns = f"coalesce(to_json({value})::text, 'null') as body, 1 as rows"
        return f"select {columns} from {call} as {result}"  # noqa: S608 - names are quoted, types are the catalog's


@dataclass
class Catalog:
    """What was found in the database; read again whenever a function is asked for that is not in it."""

    functions: dict[str, list[Function]] = field(default_factory=dict)
    role_settings: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    async def find(self, connection: Connection, name: str, arguments: frozenset[str]) -> Function:
        """The one function of this name that takes these arguments. Raises PostgREST's PGRST202, PGRST203."""
        if not (found := self._matching(name, arguments)):
            await self._read(connection)
            found = self._matching(name, arguments)
        if not found:
            raise _not_found(name, sorted(arguments), self.functions.get(name, []))
        if len(found) > 1:
            choices = ", ".join(
                f"{SCHEMA}.{name}({', '.join(f'{n} => {t}' for n, t in zip(f.names, f.types, strict=True))})"
                for f in found
            )
            hint = (
                "Try renaming the parameters or the function itself in the database "
                "so function overloading can be resolved"
            )
            message = f"Could not choose the best candidate function between: {choices}"
            raise rest_failure(300, "PGRST203", message, hint=hint)
        return found[0]

    def forget(self) -> None:
        """A function was not what it was taken for: read everything again at the next call."""
        self.functions = {}

    def _matching(self, name: str, arguments: frozenset[str]) -> list[Function]:
        return [function for function in self.functions.get(name, ()) if function.takes(arguments)]

    async def _read(self, connection: Connection) -> None:
        functions: dict[str, list[Function]] = {}
        for row in await connection.fetch(FUNCTIONS, SCHEMA):
            values = {**row, "names": tuple(row["names"]), "types": tuple(row["types"])}
            functions.setdefault(row["name"], []).append(Function(**values))
        settings: dict[str, list[tuple[str, str]]] = {}
        for row in await connection.fetch(ROLE_SETTINGS):
            settings.setdefault(row["role"], []).append((row["name"], row["value"]))
        self.functions, self.role_settings = functions, settings


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _not_found(name: str, arguments: Sequence[str], overloads: Sequence[Function]) -> Exception:
    given = f"({', '.join(arguments)})" if arguments else " without parameters"
    searched = f" with parameter{'s' if len(arguments) > 1 else ''} {', '.join(arguments)}" if arguments else given
    hint = None
    if overloads:
        hint = f"Perhaps you meant to call the function {SCHEMA}.{name}({', '.join(overloads[0].names)})"
    return rest_failure(
        404,
        "PGRST202",
        f"Could not find the function {SCHEMA}.{name}{given} in the schema cache",
        details=f"Searched for the function {SCHEMA}.{name}{searched} or with a single unnamed json/jsonb parameter, "
        "but no matches were found in the schema cache.",
        hint=hint,
    )
