"""Constraint sets over HTTP: compiled, checked, mined; with the real validator and its processes."""

import io
import json
import tarfile
import zipfile
from typing import Any

import httpx
import pytest

from functions.cache import FileStore
from functions.constraints.compilation import ConstraintCompiler
from functions.validation import ConstraintValidator
from tests.endpoints.conftest import Web
from tests.endpoints.test_with_engine import events_in

HEAD = "def add(a: int, b: int) -> int"


def rule(kind: str, name: str = "", **fields: Any) -> dict[str, Any]:
    return {"name": name or kind, "severity": "error", "rule": {"type": kind, **fields}}


def constraint_set(*constraints: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "test", "constraints": list(constraints), **more}


SIGNATURE = rule("signature", signature=HEAD)
NO_EVAL = rule("forbid_calls", "no eval", calls=["eval", "os.system"])


@pytest.fixture
async def client(web: Web) -> httpx.AsyncClient:
    _, client = await web.user_client()
    return client


async def test_a_set_is_compiled_to_an_artifact_with_a_row_for_each_constraint(client: httpx.AsyncClient):
    body = constraint_set(
        SIGNATURE,
        NO_EVAL,
        rule("must_call", calls=["abs"]),
        {"name": "prose", "severity": "hint", "description": "keep it simple"},
        {"name": "inferred", "severity": "warning", "description": "do not use `os.popen`"},
    )
    answer = await client.post("/api/compile", json=body)
    assert answer.status_code == 200, answer.text
    compiled = answer.json()
    rows = {row["name"]: row for row in compiled["report"]}
    enforced = {name: row["enforced"] for name, row in rows.items()}
    assert enforced == {
        "signature": "decoding",
        "no eval": "decoding",
        "must_call": "after",
        "prose": "prompt",
        "inferred": "decoding",
    }
    assert rows["inferred"]["inferred"]
    assert rows["inferred"]["confidence"] < 1
    assert all(row["why"] for row in rows.values())
    assert HEAD in compiled["artifacts"]["grammar"]
    assert len(compiled["digest"]) == 64
    again = (await client.post("/api/compile", json=body)).json()
    assert again["cached"]
    assert again["digest"] == compiled["digest"]


async def test_schemas_and_regexes_are_composed_and_answered_in_the_formats_that_are_asked_for(
    client: httpx.AsyncClient,
):
    a = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    b = {"type": "object", "properties": {"b": {"type": "boolean"}}, "required": ["b"]}
    schemas = constraint_set(rule("json_schema", "a", schema=a), rule("json_schema", "b", schema=b))
    compiled = (await client.post("/api/compile", json={**schemas, "formats": ["json-schema"]})).json()
    assert list(compiled["artifacts"]) == ["json-schema"]
    assert set(compiled["artifacts"]["json-schema"]["properties"]) == {"a", "b"}
    regexes = constraint_set(rule("regex", "x", pattern="[a-m]+"), rule("regex", "y", pattern="[k-z]{3}"))
    assert set((await client.post("/api/compile", json=regexes)).json()["artifacts"]) == {"grammar"}
    refused = await client.post("/api/compile", json={**regexes, "formats": ["regex"]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/formats"


@pytest.mark.parametrize(
    ("constraints", "conflict"),
    [
        ([SIGNATURE, rule("signature", "other", signature="def f()"), NO_EVAL], {"signature", "other"}),
        ([SIGNATURE, rule("naming", functions="PascalCase"), NO_EVAL], {"signature", "naming"}),
        (
            [
                rule("regex", "lower", pattern="[a-z]+"),
                rule("regex", "upper", pattern="[A-Z]+"),
                rule("max_lines", max=3),
            ],
            {"lower", "upper"},
        ),
        (
            [
                rule("json_schema", "low", schema={"type": "integer", "maximum": 3}),
                rule("json_schema", "high", schema={"type": "integer", "minimum": 5}),
            ],
            {"low", "high"},
        ),
        (
            [rule("allow_imports", modules=["math"]), rule("must_call", calls=["re.sub"]), NO_EVAL],
            {"allow_imports", "must_call"},
        ),
        ([NO_EVAL, rule("must_call", calls=["os.system"])], {"no eval", "must_call"}),
        ([rule("naming", "a", classes="[a-z]+"), rule("naming", "b", classes="[A-Z]+")], {"a", "b"}),
        (
            [rule("require_docstring"), rule("forbid_syntax", syntax=["Expr"]), SIGNATURE, NO_EVAL],
            {"require_docstring", "forbid_syntax", "signature"},
        ),
        ([NO_EVAL, rule("examples", good=["x = eval('1')"])], {"no eval", "examples"}),
        ([NO_EVAL, rule("examples", bad=["x = 1"])], {"examples"}),
    ],
)
async def test_what_cannot_hold_together_is_409_with_a_minimal_subset(
    client: httpx.AsyncClient, constraints: list[dict[str, Any]], conflict: set[str]
):
    answer = await client.post("/api/compile", json=constraint_set(*constraints))
    assert answer.status_code == 409, answer.text
    assert set(answer.json()["conflict"]) == conflict
    assert answer.json()["detail"]
    for left_out in conflict:
        rest = [c for c in constraints if c["name"] != left_out and (c["name"] in conflict or len(conflict) == 1)]
        assert (await client.post("/api/compile", json=constraint_set(*rest))).status_code == 200


async def test_the_weaker_of_two_constraints_gives_way_unless_both_are_errors(client: httpx.AsyncClient):
    lower = {**rule("regex", "lower", pattern="[a-z]+"), "severity": "warning"}
    upper = {**rule("regex", "upper", pattern="[A-Z]+"), "severity": "hint"}
    answer = await client.post("/api/compile", json=constraint_set(lower, upper))
    assert answer.status_code == 200
    rows = {row["name"]: row for row in answer.json()["report"]}
    assert rows["lower"]["enforced"] == "decoding"
    assert rows["upper"]["enforced"] == "dropped"
    assert "lower" in rows["upper"]["why"]


@pytest.mark.parametrize(
    ("constraint", "pointer"),
    [
        (rule("nonsense"), "/constraints/0/rule/type"),
        (rule("naming", colour="x"), "/constraints/0/rule/colour"),
        (rule("max_lines", max="3"), "/constraints/0/rule/max"),
        (rule("forbid_syntax", syntax=["zork"]), "/constraints/0/rule/syntax"),
        (rule("signature", signature="def ("), "/constraints/0/rule/signature"),
        (rule("lark", grammar="start: ("), "/constraints/0/rule/grammar"),
        (rule("regex", pattern="("), "/constraints/0/rule/pattern"),
        (rule("naming", functions="("), "/constraints/0/rule/functions"),
        (rule("json_schema", schema={"properties": {"a": {"not": {}}}}), "/constraints/0/rule/schema/properties/a/not"),
        ({"name": "x", "rule": 3}, "/constraints/0/rule"),
        ("no object", "/constraints/0"),
    ],
)
async def test_a_rule_that_is_not_understood_is_refused_with_its_place(
    client: httpx.AsyncClient, constraint: Any, pointer: str
):
    answer = await client.post("/api/compile", json=constraint_set(constraint))
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_what_describes_a_constraint_is_read_with_tolerance(client: httpx.AsyncClient):
    loose = {
        "name": "loose",
        "kind": "weird",
        "confidence": 90,
        "source": "ast-pattern",
        "colour": "red",
        "rule": {"type": "forbid_names", "names": ["foo"]},
    }
    older = {"name": "older", "pattern": "[a-z]+", "examples": {"good": ["abc"], "bad": ["ABC"]}}
    answer = await client.post("/api/compile", json=constraint_set(loose))
    assert answer.status_code == 200
    warnings = "\n".join(answer.json()["warnings"])
    assert all(word in warnings for word in ("weird", "90", "severity", "colour"))
    assert (await client.post("/api/compile", json=constraint_set(older))).json()["artifacts"]["regex"] == "[a-z]+"


async def test_one_bad_set_of_a_batch_does_not_spoil_the_others(client: httpx.AsyncClient):
    sets = [constraint_set(SIGNATURE), constraint_set(rule("nonsense")), constraint_set(rule("regex", pattern="a+"))]
    answer = await client.post("/api/compile/batch", json={"sets": sets})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [200, 400, 200]
    assert results[1]["problem"]["errors"][0]["pointer"] == "/sets/1/constraints/0/rule/type"
    assert results[2]["compiled"]["artifacts"]["regex"] == "a+"


async def test_a_compilation_tells_its_progress(client: httpx.AsyncClient):
    answer = await client.post("/api/compile/stream", json=constraint_set(rule("regex", pattern="b+")))
    events = events_in(answer.text)
    percents = [data["percent"] for name, data in events if name == "progress"]
    assert percents == sorted(percents)
    assert percents
    assert events[-1][0] == "done"
    assert events[-1][1]["artifacts"]["regex"] == "b+"


async def test_texts_are_checked_and_every_violation_has_its_place(client: httpx.AsyncClient):
    rules = constraint_set(NO_EVAL, rule("max_line_length", max=20), rule("must_contain", text="x"))
    texts = [
        "x = 1\n",
        "x = eval('1')\n",
        "y = 1\n",
        "x = [1, 2, 3, 4, 5, 6, 7]\n",
        "x = (",
        {"name": "a.py", "text": "x"},
    ]
    answer = await client.post("/api/check", json={"constraints": rules, "language": "python", "texts": texts})
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [result["ok"] for result in results] == [True, False, False, False, False, True]
    assert results[1]["violations"][0] | {"message": ""} == {
        "constraint": "no eval",
        "line": 1,
        "column": 5,
        "message": "",
    }
    assert [r["violations"][0]["constraint"] for r in results[2:5]] == ["must_contain", "max_line_length", ""]
    assert results[5]["name"] == "a.py"
    assert not answer.json()["ok"]


async def test_a_digest_stands_for_the_set_also_in_another_container(
    client: httpx.AsyncClient, validator: ConstraintValidator, store: FileStore
):
    digest = (await ConstraintCompiler(validator, store).compile_json(constraint_set(NO_EVAL))).digest
    answer = await client.post("/api/check", json={"digest": digest, "texts": ["eval(1)"]})
    assert not answer.json()["ok"]
    unknown = await client.post("/api/check", json={"digest": "0" * 64, "texts": ["x"]})
    assert unknown.status_code == 404
    both = await client.post("/api/check", json={"digest": digest, "constraints": [], "texts": ["x"]})
    assert both.status_code == 422
    neither = await client.post("/api/check", json={"texts": ["x"]})
    assert neither.status_code == 422


async def test_a_text_that_breaks_parsers_is_a_violation_and_harms_nobody(client: httpx.AsyncClient):
    hostile = ["(" * 100_000, "a" + ".b" * 50_000, "[" * 200 + "]" * 200, "x = '" + "\\N{" * 1000]
    answer = await client.post(
        "/api/check", json={"constraints": [NO_EVAL], "language": "python", "texts": [*hostile, "x"]}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"][-1]["ok"]


FILES = [
    {"path": f"pkg/m{n}.py", "text": f'def read_{n}(path: str) -> int:\n    """Read."""\n    return len(path)\n'}
    for n in range(12)
]


async def test_constraints_are_mined_from_json_forms_and_archives_alike(client: httpx.AsyncClient):
    listed = (await client.post("/api/extract", json={"files": FILES})).json()
    names = {c["name"] for c in listed["constraint_sets"][0]["constraints"]}
    assert {"require-annotations", "require-docstring", "naming-functions"} <= names
    form = [("file", (file["path"], file["text"].encode(), "text/x-python")) for file in FILES]
    assert (await client.post("/api/extract", files=form)).json() == listed
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in FILES:
            archive.writestr(file["path"], file["text"])
    zipped = await client.post("/api/extract", content=packed.getvalue(), headers={"content-type": "application/zip"})
    assert zipped.json()["constraint_sets"] == listed["constraint_sets"]
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        for file in FILES:
            info = tarfile.TarInfo(file["path"])
            info.size = len(file["text"])
            tar.addfile(info, io.BytesIO(file["text"].encode()))
    gzipped = await client.post("/api/extract", content=tarred.getvalue(), headers={"content-type": "application/gzip"})
    assert gzipped.json()["files_read"] == 12
    compiled = await client.post("/api/compile", json=listed["constraint_sets"][0])
    assert compiled.status_code == 200, compiled.text


async def test_what_is_no_source_is_refused_or_skipped_with_a_reason(client: httpx.AsyncClient):
    answer = await client.post("/api/extract", json={"files": [{"path": "a.py", "text": "def ("}, *FILES]})
    assert [file["path"] for file in answer.json()["skipped"]] == ["a.py"]
    bad = await client.post("/api/extract", content=b"no zip", headers={"content-type": "application/zip"})
    assert bad.status_code == 422
    other = await client.post("/api/extract", content=b"x", headers={"content-type": "text/plain"})
    assert other.status_code == 415
    shape = await client.post("/api/extract", json={"files": [{"path": "a.py"}]})
    assert shape.status_code == 422
    assert shape.json()["errors"][0]["pointer"] == "/files/0/text"


async def test_ten_thousand_constraints_are_compiled(client: httpx.AsyncClient):
    many = [{**rule("forbid_names", f"n{n}", names=[f"name_{n}"]), "description": "x" * 100} for n in range(5_000)]
    many += [rule("forbid_imports", f"m{n}", modules=[f"module_{n}.sub"]) for n in range(5_000)]
    body = json.dumps(constraint_set(*many))
    assert len(body) > 2**20
    answer = await client.post("/api/compile", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text[:500]
    assert len(answer.json()["report"]) == 10_000
