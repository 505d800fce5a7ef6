"""The audit log: who did what to whom. Only ever appended to."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson

from httpapi.store.database import Connection


async def write(
    connection: Connection, *, actor: UUID | None, action: str, subject: str, detail: Mapping[str, Any]
) -> None:
    """Append a row; ``actor`` None is the operator at the machine."""
    await connection.execute(
        "INSERT INTO audit_log (actor, action, subject, detail) VALUES ($1, $2, $3, $4::jsonb)",
        actor,
        action,
        subject,
        orjson.dumps(detail).decode(),
    )
