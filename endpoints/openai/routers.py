"""All that speaks OpenAI's protocol, for the application."""

from endpoints.openai import chat_completions, completions, embeddings, models, responses

OPENAI_ROUTERS = (
    chat_completions.router,
    completions.router,
    responses.router,
    embeddings.router,
    models.router,
)
