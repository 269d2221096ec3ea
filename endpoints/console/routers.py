"""All of the console's routes."""

from endpoints.console import session_list, session_live, session_page, sign_in, writing

CONSOLE_ROUTERS = (
    sign_in.router,
    session_list.router,
    writing.router,
    session_page.router,
    session_live.router,
)
