"""All of the console's routes."""

from endpoints.console import (
    account_page,
    operating,
    playground,
    provider_sign_in,
    session_editing,
    session_form,
    session_history,
    session_list,
    session_live,
    session_mending,
    session_page,
    session_sharing,
    session_tests,
    sign_in,
    writing,
)

CONSOLE_ROUTERS = (
    sign_in.router,
    provider_sign_in.router,
    session_list.router,
    writing.router,
    session_page.router,
    session_mending.router,
    session_live.router,
    session_editing.router,
    session_form.router,
    session_history.router,
    session_sharing.router,
    session_tests.router,
    playground.router,
    account_page.router,
    operating.router,
)
