"""What browsers are told to refuse on our behalf (OWASP Secure Headers), on every response."""

from starlette.types import ASGIApp, Receive, Scope, Send

from endpoints.response_headers import adding_raw_headers, raw

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of an HTML page of ours: everything from here, nothing inline."""

SECURITY_HEADERS = {
    # An API's answer is data: whoever renders it as a page gets an empty, powerless one. Pages set PAGE_POLICY.
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "strict-transport-security": "max-age=63072000; includeSubDomains",  # two years; ignored over plain HTTP
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Answers belong to one caller; what may be shared (assets, the schema) says so itself.
    "cache-control": "no-store",
}


_RAW = raw(SECURITY_HEADERS)


class SecurityHeadersMiddleware:
    """Adds `SECURITY_HEADERS`; a response that sets one of them itself keeps its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, adding_raw_headers(send, _RAW))
