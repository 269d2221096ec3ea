"""What browsers are told to refuse on our behalf (OWASP Secure Headers), on every response."""

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
