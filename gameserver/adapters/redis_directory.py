"""``Directory`` on Redis: heartbeats, room cards, tickets, revocations. May live on ``REDIS_CACHE_URL``."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from gameserver.adapters.cards import LISTED_MAX, pack, sort_out, stamped
from gameserver.adapters.redis_client import client, reaching
from gameserver.ports import NodeCard
from protocol import keys
from protocol.ids import InstanceId, RoomCode


class RedisDirectory:
    """What nodes tell everybody, by the store's TIME."""

    def __init__(self, url: str) -> None:
        self._client: Redis = client(url)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def beat(self, card: NodeCard) -> Sequence[NodeCard]:
        """Store the heartbeat and return all cards, ours included; removes those dead for a minute."""
        with reaching("beat"):
            now = await self._now_ms()
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.hset(keys.NODES, card.instance, pack(stamped(card, now)))
                pipe.hgetall(keys.NODES)
                _, stored = await pipe.execute()
            cards, dead = sort_out({instance.decode(): raw for instance, raw in stored.items()}, now)
            if dead:
                await self._client.hdel(keys.NODES, *dead)
        return cards

    async def nodes(self) -> Sequence[NodeCard]:
        """Return the cards of all nodes seen within a minute."""
        with reaching("nodes"):
            stored: Any = await self._client.hgetall(keys.NODES)
            cards, _ = sort_out({instance.decode(): raw for instance, raw in stored.items()}, await self._now_ms())
        return cards

    async def leave(self, instance: InstanceId) -> None:
        """Take the node's card away."""
        with reaching("leave"):
            await self._client.hdel(keys.NODES, instance)

    async def put_cards(self, cards: Mapping[str, bytes | None], public: Mapping[str, bool]) -> None:
        """Write or delete room cards, all in one write, and list the public ones."""
        if not cards:
            return
        with reaching("put_cards"):
            now = await self._now_ms() // 1000
            listed = {code: now for code, card in cards.items() if card is not None and public.get(code, False)}
            unlisted = [code for code in cards if code not in listed]
            async with self._client.pipeline(transaction=False) as pipe:
                for code, card in cards.items():
                    key = keys.room_card(RoomCode(code))
                    if card is None:
                        pipe.delete(key)
                    else:
                        pipe.set(key, card, ex=keys.ROOM_CARD_TTL_S)
                if listed:
                    pipe.zadd(keys.PUBLIC_ROOMS, listed)
                if unlisted:
                    pipe.zrem(keys.PUBLIC_ROOMS, *unlisted)
                pipe.zremrangebyscore(keys.PUBLIC_ROOMS, "-inf", now - keys.ROOM_CARD_TTL_S)
                await pipe.execute()

    async def put_connections(self, node: str, counts: Mapping[RoomCode, int]) -> None:
        """Write how many connections of each room this node holds, all in one write."""
        if not counts:
            return
        with reaching("put_connections"):
            async with self._client.pipeline(transaction=False) as pipe:
                for code, count in counts.items():
                    key = keys.ws_connections(code)
                    if count:
                        pipe.hset(key, node, str(count))
                        pipe.expire(key, keys.WS_CONNECTIONS_TTL_S)
                    else:
                        pipe.hdel(key, node)
                await pipe.execute()

    async def list_public(self) -> Sequence[dict[str, Any]]:
        """Return the cards of public rooms, the last changed first, at most ``LISTED_MAX``."""
        with reaching("list_public"):
            codes: Any = await self._client.zrevrange(keys.PUBLIC_ROOMS, 0, LISTED_MAX - 1)
            if not codes:
                return []
            cards: Any = await self._client.mget([keys.room_card(RoomCode(code.decode())) for code in codes])
        return [msgspec.json.decode(card) for card in cards if card is not None]

    async def use_ticket(self, jti: str) -> bool:
        """Mark a ticket used; False when it was already."""
        with reaching("use_ticket"):
            return bool(await self._client.set(keys.ticket(jti), b"1", nx=True, ex=keys.TICKET_TTL_S))

    async def read_revoked(self) -> Sequence[str]:
        """Return the ids of revoked sessions and users that still matter."""
        with reaching("read_revoked"):
            now = await self._now_ms() // 1000
            revoked: Any = await self._client.zrangebyscore(keys.REVOKED, f"({now}", "+inf")
        return [who.decode() for who in revoked]

    async def _now_ms(self) -> int:
        seconds, micros = await self._client.time()
        return int(seconds) * 1000 + int(micros) // 1000
