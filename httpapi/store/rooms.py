"""Rooms ever made and who was given a ticket to them. SQL beside the function that runs it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from msgspec import Struct

from httpapi.store.database import Connection


class NewRoom(Struct, frozen=True):
    """A row of game_rooms; ``created_at`` is Unix seconds."""

    id: UUID
    code: str
    mode: str
    host: UUID
    title: str
    public: bool
    settings: Mapping[str, Any]
    created_at: int


async def insert_rooms(connection: Connection, rooms: Sequence[NewRoom]) -> None:
    """Insert rooms; those already there stay. A host or mode that PostgreSQL does not know is left out."""
    if not rooms:
        return
    await connection.execute(
        """
        INSERT INTO game_rooms (id, code, mode, host_id, title, public, settings, created_at)
        SELECT r.id, r.code, r.mode, u.id, r.title, r.public, r.settings, to_timestamp(r.created_at)
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::boolean[], $7::jsonb[],
                    $8::bigint[]) AS r(id, code, mode, host, title, public, settings, created_at)
        JOIN game_modes m ON m.id = r.mode LEFT JOIN users u ON u.id = r.host
        ON CONFLICT (id) DO NOTHING
        """,
        [room.id for room in rooms],
        [room.code for room in rooms],
        [room.mode for room in rooms],
        [room.host for room in rooms],
        [room.title for room in rooms],
        [room.public for room in rooms],
        [orjson.dumps(room.settings).decode() for room in rooms],
        [room.created_at for room in rooms],
    )


async def insert_participants(connection: Connection, came: Sequence[tuple[str, UUID, str]]) -> None:
    """Note (room code, user, role): the newest room of that code is meant; unknown rooms and users are left out."""
    if not came:
        return
    rows = sorted(set(came), key=str)  # one row a key: an upsert may not touch the same one twice
    await connection.execute(
        """
        INSERT INTO game_participants (room_id, user_id, role)
        SELECT r.id, u.id, c.role
        FROM unnest($1::text[], $2::uuid[], $3::text[]) AS c(code, user_id, role)
        JOIN LATERAL (SELECT id FROM game_rooms g WHERE g.code = c.code ORDER BY created_at DESC LIMIT 1) r ON true
        JOIN users u ON u.id = c.user_id
        ON CONFLICT (room_id, user_id, role) DO UPDATE SET last_at = now()
        """,
        [code for code, _, _ in rows],
        [user for _, user, _ in rows],
        [role for _, _, role in rows],
    )


async def sync_modes(connection: Connection, modes: Mapping[str, str]) -> None:
    """Make game_modes hold these (id → title); none is ever deleted."""
    await connection.execute(
        """
        INSERT INTO game_modes (id, title) SELECT * FROM unnest($1::text[], $2::text[])
        ON CONFLICT (id) DO UPDATE SET title = excluded.title WHERE game_modes.title <> excluded.title
        """,
        list(modes),
        list(modes.values()),
    )
