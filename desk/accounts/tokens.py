"""Bearer tokens and API keys. JWT: HS256 only, `iss`, `aud`, `exp` required, revocable one by one or all at once."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import jwt
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from desk.accounts.identity import KEY_SCOPES, Actor, Permission
from desk.accounts.users import actor_for
from desk.db.tenancy import NO_TENANT, Scope
from desk.db.unit_of_work import Database
from desk.errors import InvalidInputError, SignInRequiredError
from desk.models import ApiKey, RevokedToken
from desk.ports import Clock
from desk.secret import Secret

ALGORITHM = "HS256"
ISSUER = "draftdesk"
AUDIENCE = "draftdesk-api"
KEY_PREFIX = "dk_"
_LAST_USED_EVERY = timedelta(minutes=5)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class TokenDesk:
    """Issues and checks what comes in an Authorization header."""

    def __init__(self, database: Database, secret_key: Secret, clock: Clock, minutes: int) -> None:
        self._database = database
        self._secret_key = secret_key
        self._clock = clock
        self.lifetime = timedelta(minutes=minutes)

    def issue(self, actor: Actor, generation: int) -> str:
        now = self._clock.now()
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(actor.user_id),
            "tenant": str(actor.tenant_id),
            "generation": generation,
            "jti": uuid4().hex,
            "iat": now,
            "exp": now + self.lifetime,
        }
        return jwt.encode(claims, self._secret_key.reveal(), algorithm=ALGORITHM)

    async def identify(self, credential: str) -> Actor:
        """The actor behind a token or key. Raises SignInRequiredError."""
        if credential.startswith(KEY_PREFIX):
            return await self._identify_key(credential)
        return await self._identify_token(credential)

    async def _identify_token(self, token: str) -> Actor:
        try:
            claims = jwt.decode(
                token,
                self._secret_key.reveal(),
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub", "jti"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            expires, user_id, tenant_id = int(claims["exp"]), UUID(claims["sub"]), UUID(claims["tenant"])
        except (jwt.InvalidTokenError, ValueError, KeyError, TypeError, AttributeError) as error:
            msg = "the access token is not valid"
            raise SignInRequiredError(msg) from error
        if self._clock.now().timestamp() >= expires:
            msg = "the access token has expired; sign in again"
            raise SignInRequiredError(msg)
        async with self._database.transaction(NO_TENANT) as session:
            revoked = await session.scalar(select(RevokedToken.id).where(RevokedToken.token_id == str(claims["jti"])))
        actor, generation = await actor_for(self._database, user_id, tenant_id)
        if revoked is not None or generation != claims.get("generation"):
            msg = "the access token was revoked; sign in again"
            raise SignInRequiredError(msg)
        return Actor(
            actor.tenant_id, actor.role, actor.label, actor.permissions, actor.user_id, actor.name, str(claims["jti"])
        )

    async def revoke(self, actor: Actor) -> None:
        """End the token the actor came with."""
        if actor.token_id is None:
            return
        async with self._database.transaction(NO_TENANT) as session:
            await session.execute(
                insert(RevokedToken)
                .values(id=uuid7(), token_id=actor.token_id, expires_at=self._clock.now() + self.lifetime)
                .on_conflict_do_nothing()
            )

    async def _identify_key(self, key: str) -> Actor:
        found = await self._database.look_up("SELECT * FROM desk_known_key(:hash)", hash=_hash(key))
        if not found:
            msg = "the API key is not valid"
            raise SignInRequiredError(msg)
        known = found[0]
        if known["last_used_at"] is None or self._clock.now() - known["last_used_at"] > _LAST_USED_EVERY:
            async with self._database.transaction(Scope(known["tenant_id"])) as session:
                await session.execute(update(ApiKey).where(ApiKey.id == known["id"]).values(last_used_at=func.now()))
        scopes = frozenset({Permission.SIGNED_IN, *(Permission(scope) for scope in known["scopes"])})
        return Actor(known["tenant_id"], "key", f"key:{known['name']}", scopes)


async def create_key(database: Database, scope: Scope, name: str, scopes: tuple[str, ...] = ()) -> str:
    """A new key, shown this once; the database keeps its SHA-256. No scopes means all of them."""
    unknown = [wanted for wanted in scopes if wanted not in KEY_SCOPES]
    if unknown or not name.strip():
        msg = f"a key needs a name, and its scopes must be among {', '.join(KEY_SCOPES)}"
        raise InvalidInputError(msg)
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    async with database.transaction(scope) as session:
        session.add(
            ApiKey(
                name=name.strip(),
                key_hash=_hash(key),
                key_start=key[:8],
                scopes=[str(each) for each in (scopes or KEY_SCOPES)],
                created_by=scope.user_id,
            )
        )
    return key


async def stored_key(database: Database, scope: Scope, key: str) -> ApiKey:
    """The row of a key that was just made."""
    async with database.transaction(scope) as session:
        return (await session.execute(select(ApiKey).where(ApiKey.key_hash == _hash(key)))).scalar_one()


async def revoke_key(database: Database, scope: Scope, key_id: UUID) -> bool:
    async with database.transaction(scope) as session:
        changed = await session.execute(
            update(ApiKey)
            .where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
            .values(revoked_at=func.now())
            .returning(ApiKey.id)
        )
        return changed.scalar_one_or_none() is not None


async def forget_expired_tokens(database: Database, now: datetime) -> None:
    async with database.transaction(NO_TENANT) as session:
        await session.execute(delete(RevokedToken).where(RevokedToken.expires_at < now))
