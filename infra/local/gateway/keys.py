"""The project's keys: an ES256 pair, and the API keys `anon` and `service_role`, which are tokens signed with it."""

import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from jwt.types import Options

YEARS = 365 * 24 * 3600
SIGNATURE_ONLY: Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_sub": False,
}
API_ROLES = ("anon", "service_role")


@dataclass(frozen=True)
class Keys:
    """`signing_key` is a private JWK (RFC 7517). With an `hs256_secret`, tokens signed with that are accepted too."""

    signing_key: dict[str, str]
    anon_key: str
    service_role_key: str
    hs256_secret: str | None = None

    @classmethod
    def generate(cls, *, hs256_secret: str | None = None) -> "Keys":
        """New keys, kept nowhere."""
        jwk = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        jwk |= {"kid": str(uuid.uuid4()), "alg": "ES256", "use": "sig"}
        now = int(time.time())
        anon, service_role = (
            _signed(jwk, {"iss": "supabase", "ref": "local", "role": role, "iat": now, "exp": now + 10 * YEARS})
            for role in API_ROLES
        )
        return cls(jwk, anon, service_role, hs256_secret)

    @classmethod
    def kept_in(cls, file: Path, *, hs256_secret: str | None = None) -> "Keys":
        """The keys in `file`, which only its owner may read; they are made when there is none."""
        if not file.exists():
            keys = cls.generate()
            document = {name: getattr(keys, name) for name in ("signing_key", "anon_key", "service_role_key")}
            aside = file.with_suffix(f".{os.getpid()}")
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as new:
                json.dump(document, new)
            try:
                file.hardlink_to(aside)
            except FileExistsError:
                pass  # another process was faster: its keys are the ones
            finally:
                aside.unlink()
        return cls(**json.loads(file.read_text()), hs256_secret=hs256_secret)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public key, as `/auth/v1/.well-known/jwks.json` serves it."""
        public = {name: value for name, value in self.signing_key.items() if name != "d"}
        return {"keys": [{**public, "key_ops": ["verify"], "ext": True}]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token (RFC 7519) with these claims."""
        return _signed(self.signing_key, claims)

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token that one of our keys signed, whatever its times. Raises `jwt.InvalidTokenError`."""
        claims: dict[str, Any] = self._verify(token)
        return claims

    @cached_property
    def _verify(self) -> Any:
        # A verification costs about 0.1 ms, and the same tokens come again and again.
        accepted: dict[str, Any] = {"ES256": jwt.PyJWK(self.jwks["keys"][0])}
        if self.hs256_secret:
            accepted["HS256"] = self.hs256_secret

        @lru_cache(maxsize=4096)
        def verify(token: str) -> dict[str, Any]:
            algorithm = jwt.get_unverified_header(token).get("alg")
            if algorithm not in accepted:
                raise jwt.InvalidAlgorithmError(f"{algorithm} is none of {', '.join(accepted)}")
            return jwt.decode(token, accepted[algorithm], algorithms=[algorithm], options=SIGNATURE_ONLY)

        return verify


def _signed(jwk: Mapping[str, str], claims: Mapping[str, Any]) -> str:
    key = jwt.PyJWK(dict(jwk))
    return jwt.encode(dict(claims), key.key, algorithm="ES256", headers={"kid": jwk["kid"]})
