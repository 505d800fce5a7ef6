/** Bytes ⇄ messages: the only place that encodes and decodes. */
import { decode, encode } from "@msgpack/msgpack";

import { SUBPROTOCOLS, type ClientMessage, type ServerMessage } from "./generated";

export const SUBPROTOCOL = SUBPROTOCOLS.msgpack;

/** What the server sent is not a message: not MessagePack, or not a map with a tag. */
export class BadMessage extends Error {
  override name = "BadMessage";
}

export function encodeClient(message: ClientMessage): Uint8Array<ArrayBuffer> {
  return encode(message, { ignoreUndefined: true });
}

/**
 * Decode one frame. Unknown tags pass: a newer server may say more than this client knows.
 *
 * @throws BadMessage
 */
export function decodeServer(bytes: Uint8Array | ArrayBuffer): ServerMessage {
  let message: unknown;
  try {
    message = decode(bytes);
  } catch (error) {
    throw new BadMessage("not MessagePack", { cause: error });
  }
  if (typeof message !== "object" || message === null || typeof (message as { t?: unknown }).t !== "string") {
    throw new BadMessage("not a map with a tag");
  }
  return message as ServerMessage;
}
