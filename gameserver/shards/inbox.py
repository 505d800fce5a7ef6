"""From bus messages to inputs: what httpapi and worker tell a shard (COMMIT.md §7)."""

import structlog

from gameserver.ports import InboxEntry
from gameserver.rooms import inputs
from gameserver.shards.live import Mail
from gameserver.shards.shard import Shard
from protocol import bus, codec
from protocol.errors import ProtocolError
from protocol.ids import RoomCode

log = structlog.get_logger("inbox")


def take(shard: Shard, entry: InboxEntry) -> bool:
    """Put an inbox message into the shard's mail; False when it is full: read it again later."""
    try:
        message = codec.unpack_bus(entry.message)
    except ProtocolError as error:
        log.error("inbox_message_unreadable", shard=shard.id, error=str(error))
        shard.bare_inbox.append(Mail(inputs.Close(reason=""), 0, entry=entry.entry, message_id=entry.entry))
        return True
    item, code = _input_of(message)
    mail = Mail(
        inputs.Close(reason="") if item is None else item,
        shard.stamp(),
        entry=entry.entry,
        message_id=message.id,
    )
    if item is None or message.id in shard.inbox_ids or message.id in shard.inbox_taken:
        shard.bare_inbox.append(mail)
        return True
    live = shard.rooms.get(code)
    if isinstance(item, inputs.Create):
        shard.creates.append(mail)
    elif live is None and _is_coming(shard, code):
        return False  # its room comes with the next tick: read it again then
    elif live is None:
        shard.bare_inbox.append(mail)
    elif not live.post(mail):
        return False
    shard.inbox_taken.add(message.id)
    return True


def _is_coming(shard: Shard, code: RoomCode) -> bool:
    return any(isinstance(mail.input, inputs.Create) and mail.input.code == code for mail in shard.creates)


def _input_of(message: bus.BusMessage) -> tuple[inputs.Input | None, RoomCode]:
    match message:
        case bus.CreateRoom():
            create = inputs.Create(
                code=message.code,
                host=message.host,
                mode=message.mode,
                settings=message.settings,
                public=message.public,
                entropy=message.entropy,
                title=message.title,
                created_at=message.created_at,
            )
            return create, RoomCode(message.code)
        case bus.ContentPack():
            content = inputs.Content(request=message.id, items=message.items, reason=message.reason)
            return content, RoomCode(message.code)
        case bus.Recorded():
            return inputs.Recorded(match=message.id), RoomCode(message.code)
        case bus.CloseRoom():
            return inputs.Close(reason=message.reason), RoomCode(message.code)
        case bus.Moderate():
            return inputs.Moderate(user=message.user, action=message.action), RoomCode(message.code)
        case _:
            return None, RoomCode("")
