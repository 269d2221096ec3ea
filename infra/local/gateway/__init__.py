"""A local stand-in for a Supabase project's API: SQL functions over HTTP, and sign-in."""

from infra.local.gateway.keys import Keys
from infra.local.gateway.server import Gateway, GatewayError

__all__ = ["Gateway", "GatewayError", "Keys"]
