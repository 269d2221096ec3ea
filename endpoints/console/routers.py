"""All of the console's routes."""

from endpoints.console import session_list, sign_in

CONSOLE_ROUTERS = (
    sign_in.router,
    session_list.router,
)
