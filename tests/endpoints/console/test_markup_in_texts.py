"""What users and models write is text in a page, whatever it says: as the server sends it, without a browser."""

import pytest

from endpoints.console.rendering import with_code
from tests.endpoints.conftest import Web
from tests.endpoints.test_sessions import stored

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg/onload=alert(1)>"


@pytest.mark.parametrize("path", ["/sessions/{id}", "/", "/?q=%3Cscript%3Ealert(1)%3C/script%3E"])
async def test_markup_in_a_prompt_is_shown_as_it_is_written(web: Web, path: str):
    user, client = await web.user_client()
    session = await stored(client, MARKUP)
    async with web.client() as visitor:
        visitor.cookies.set("lift-access", user.token)
        page = await visitor.get(path.format(id=session["id"]))
    assert page.status_code == 200
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert(1)" not in page.text
    assert "<img src=x" not in page.text
    assert "unsafe-inline" not in page.headers["content-security-policy"].partition("script-src")[2].partition(";")[0]


def test_code_in_a_sentence_is_escaped_like_the_rest():
    assert with_code("<b>`<i>`</b>") == "&lt;b&gt;<code>&lt;i&gt;</code>&lt;/b&gt;"
    assert with_code("one ` of <two>") == "one ` of &lt;two&gt;"
