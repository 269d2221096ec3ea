"""HTTP itself: heads, methods, paths, framing, and clients that take their time or go away."""

from collections.abc import Iterator

from proofs.hostile.inputs import ACCEPTED, CLOSED, JSON, Input, raw, request

GOOD = b'{"prompt": "Say yes.", "max_tokens": 2, "choice": ["a"]}'
HEAD = b"POST /api/generate HTTP/1.1\r\nhost: localhost\r\n"
HEAD += b"authorization: Bearer {key}\r\ncontent-type: application/json\r\n"
CLOSE = b"connection: close\r\n"

PATHS = [
    *(
        "//api/sessions",
        "/api//sessions",
        "/api/./sessions",
        "/api/../api/sessions",
        "/api/%2e%2e/sessions",
        "/api/sessions/",
    ),
    *("/api/sessions;x=1", "/api/sessions%00", "/api/sessions%0d%0aset-cookie:x=1", "/API/SESSIONS", "/api\\sessions"),
    *(
        "/assets/../../modal_app.py",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2fetc%2fpasswd",
        "/assets//etc/passwd",
    ),
    *(
        "/assets/vendor/../../../functions/engine.py",
        "/.env",
        "/.git/config",
        "/.local/api-key",
        "/server-status",
        "/metrics",
    ),
    *("/docs/../openapi.json", "/%ff%fe", "/" + "a" * 8_000, "/" + "a/" * 3_000, "/api/sessions/" + "9" * 3_000),
    *(
        "/wp-admin",
        "/graphql",
        "/actuator/env",
        "/api/generate/../keys",
        "/v1/../api/keys",
        "/v2/models",
        "/debug",
        "/sleep",
    ),
]
IDS = [
    "0",
    "null",
    "-1",
    "1e9",
    "%27%20or%201%3D1",
    "..",
    "%00",
    "00000000-0000-0000-0000-000000000000",
    "x" * 2_000,
    "%F0%9F%98%80",
]
QUERIES = [
    "%00",
    "%ff%fe",
    "%27%3B%20drop%20table%20sessions%3B--",
    "%22" * 300,
    "%F0%9F%98%80" * 100,
    "a" * 7_000,
    "%25",
    "*",
    "%5C",
]
HEADERS: list[tuple[str, dict[str, str], set[int]]] = [
    ("a long value", {"x-a": "a" * 30_000}, {200, 400, 431}),
    ("a very long value", {"x-a": "a" * 200_000}, {200, 400, 431, CLOSED}),
    ("500 headers", {f"x-{i}": "a" for i in range(500)}, {200, 400, 431}),
    ("a Host of another", {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}, {200}),
    ("another method", {"x-http-method-override": "DELETE", "x-method-override": "DELETE"}, {200}),
    ("another path", {"x-original-url": "/api/keys", "x-rewrite-url": "/api/keys"}, {200}),
    ("a forged user", {"x-user-id": "root", "x-forwarded-user": "root", "x-remote-user": "root"}, {200}),
    ("a range", {"range": "bytes=0-1,1-2,2-3"}, {200}),
    ("a continuation", {"expect": "100-continue"}, {200, 417}),
    ("an unknown expectation", {"expect": "200-ok"}, {200, 417}),
    ("h2c", {"upgrade": "h2c", "http2-settings": "AAMAAABkAARAAAAAAAIAAAAA"}, {200, 400}),
    ("a broken traceparent", {"traceparent": "00-" + "z" * 5_000}, {200}),
    ("a large baggage", {"baggage": "a=" + "b" * 20_000, "tracestate": "a=" + "b" * 2_000}, {200}),
    ("a broken request id", {"x-request-id": "'; drop table x; --" * 50}, {200}),
    ("an empty idempotency key", {"idempotency-key": ""}, {422}),
    ("a long idempotency key", {"idempotency-key": "a" * 256}, {422}),
    ("an idempotency key of odd characters", {"idempotency-key": "\u00e4\u2028"}, {200, 422}),
    ("all languages", {"accept-language": ",".join(["de;q=0.1"] * 2_000)}, {200}),
    ("odd accept", {"accept": "text/event-stream;q=x, ;;;,,,"}, {200}),
    ("accept nothing", {"accept": "image/png"}, {200, 406}),
    ("cookies", {"cookie": "; ".join(f"a{i}=b" for i in range(1_000))}, {200}),
    ("a cookie's session", {"cookie": "__Host-session=x; lift-session=' or 1=1"}, {200}),
    ("an origin", {"origin": "https://evil.example"}, {200}),
    ("origin null", {"origin": "null", "sec-fetch-site": "cross-site"}, {200}),
]


def inputs() -> Iterator[Input]:
    for name, headers, expected in HEADERS:
        yield request(f"header: {name}", "headers", expected, body=GOOD, headers={**JSON, **headers})
    for path in PATHS:
        yield request(f"path {path[:50]}", "paths", {400, 401, 403, 404, 405}, method="GET", path=path, headers={})
    for id_ in IDS:
        for path in ("/api/sessions/{}", "/api/sessions/{}/history", "/api/sessions/{}/comments", "/v1/models/{}"):
            yield request(
                f"id {path} {id_[:20]}", "paths", {400, 404, 405, 422}, method="GET", path=path.format(id_), headers={}
            )
        yield request(
            f"id /api/keys {id_[:20]}", "paths", {404, 405, 422}, method="DELETE", path=f"/api/keys/{id_}", headers={}
        )
    for query in QUERIES:
        for name in ("q", "cursor", "status", "limit"):
            yield request(
                f"query {name}={query[:20]}",
                "paths",
                {200, 400, 422},
                method="GET",
                path=f"/api/sessions?{name}={query}",
                headers={},
            )
    for method in (
        "TRACE",
        "CONNECT",
        "FOO",
        "get",
        "PROPFIND",
        "A" * 3_000,
        "PUT",
        "DELETE",
        "OPTIONS",
        "HEAD",
        "PATCH",
    ):
        yield request(f"method {method[:10]}", "methods", {400, 404, 405, 501, CLOSED}, method=method, headers={})
    yield from _framing()
    yield from _slow()


def _framing() -> Iterator[Input]:
    ok = {200, 400, CLOSED}
    size = b"content-length: %d\r\n" % len(GOOD)
    heads: dict[str, tuple[bytes, set[int]]] = {
        "two equal lengths": (HEAD + CLOSE + size + size + b"\r\n" + GOOD, ok),
        "two lengths": (HEAD + CLOSE + size + b"content-length: 5\r\n\r\n" + GOOD, {400, CLOSED}),
        "length and chunked": (
            HEAD + CLOSE + size + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            {400, 422, CLOSED},
        ),
        "negative length": (HEAD + CLOSE + b"content-length: -1\r\n\r\n" + GOOD, {400, CLOSED}),
        "a length in words": (HEAD + CLOSE + b"content-length: ten\r\n\r\n" + GOOD, {400, CLOSED}),
        "a length of 20 digits": (HEAD + CLOSE + b"content-length: 99999999999999999999\r\n\r\n", {400, 413, CLOSED}),
        "a length of a terabyte": (HEAD + CLOSE + b"content-length: 1099511627776\r\n\r\n", {413}),
        "a bad chunk": (HEAD + CLOSE + b"transfer-encoding: chunked\r\n\r\nZZ\r\n", {400, CLOSED}),
        "a chunk of 16 digits": (
            HEAD + CLOSE + b"transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
            {400, 408, 413, CLOSED},
        ),
        "no colon": (HEAD + CLOSE + b"no colon here\r\n\r\n", {400, CLOSED}),
        "a name with a space": (HEAD + CLOSE + b"x y: z\r\n\r\n", {400, 422, CLOSED}),
        "a folded line": (HEAD + CLOSE + size + b"x-a: b\r\n c\r\n\r\n" + GOOD, ok),
        "a NUL in a head": (HEAD + CLOSE + size + b"x-a: b\0c\r\n\r\n" + GOOD, ok),
        "bare line feeds": (
            HEAD.replace(b"\r\n", b"\n") + b"connection: close\n" + size.replace(b"\r\n", b"\n") + b"\n" + GOOD,
            ok,
        ),
        "an upgrade": (
            b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n",
            {200, 400, 426, CLOSED},
        ),
        "HTTP/0.9": (b"GET /health\r\n\r\n", {200, 400, CLOSED}),
        "HTTP/3.7": (b"GET /health HTTP/3.7\r\nhost: a\r\n\r\n", {200, 400, 505, CLOSED}),
        "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 404, 405, CLOSED}),
        "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), {400, CLOSED}),
        "noise": (bytes(range(256)) * 40, {400, CLOSED}),
        "an endless line": (
            b"GET /" + b"a" * 300_000 + b" HTTP/1.1\r\nhost: a\r\n" + CLOSE + b"\r\n",
            {400, 404, 414, CLOSED},
        ),
        "endless heads": (
            b"GET /health HTTP/1.1\r\n" + b"x-a: b\r\n" * 40_000 + CLOSE + b"\r\n",
            {200, 400, 431, CLOSED},
        ),
        "a whole address": (
            b"GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\nhost: a\r\n" + CLOSE + b"\r\n",
            {400, 401, 404, CLOSED},
        ),
        "two requests, one smuggled": (
            HEAD + size + b"\r\n" + GOOD + b"GET /api/keys HTTP/1.1\r\nhost: a\r\n" + CLOSE + b"\r\n",
            {200},
        ),
    }
    for name, (content, expected) in heads.items():
        yield raw(f"framing: {name}", "framing", expected, content)


def _slow() -> Iterator[Input]:
    size = b"content-length: %d\r\n\r\n" % len(GOOD)
    one_by_one = [GOOD[i : i + 4] for i in range(0, len(GOOD), 4)]
    yield raw("a slow body", "slow", ACCEPTED, HEAD + CLOSE + size, *one_by_one, pause_s=0.2)
    yield raw("slow heads", "slow", ACCEPTED, HEAD[:40], HEAD[40:90], HEAD[90:] + CLOSE + size + GOOD, pause_s=0.7)
    for cut in (0, 1, 10, len(GOOD) - 1):
        yield raw(f"gone after {cut} bytes of the body", "slow", CLOSED, HEAD + CLOSE + size + GOOD[:cut], hang_up=True)
    for number in range(20):
        yield raw(f"silent connection {number}", "slow", CLOSED, b"", pause_s=2, hang_up=True)
        yield raw(f"gone at once {number}", "slow", CLOSED, HEAD + CLOSE + size + GOOD, hang_up=True)
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
    flood = chunk * 1_100
    yield raw("1.1 MB in chunks", "slow", {413, CLOSED}, HEAD + CLOSE + b"transfer-encoding: chunked\r\n\r\n", flood)
