/** Bodies of the HTTP API, as this client uses them. */
import type { RoomCard } from "../protocol/generated";

export type { RoomCard };

export interface Me {
  id: string;
  name: string;
  avatar: string;
  kind: "guest" | "account";
  username?: string | null;
  roles: string[];
  created_at?: string | number;
}

export interface SessionBody {
  user: Me;
  access_token: string;
  expires_in: number;
  csrf_token?: string | null;
}

/** JSON Schema as the server makes it from a mode's settings. */
export interface JsonSchema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  maxItems?: number;
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  anyOf?: JsonSchema[];
}

export interface ModeInfo {
  id: string;
  title: string;
  players_min: number;
  players_max: number;
  settings: JsonSchema;
  defaults: Record<string, unknown>;
}

export interface RoomPage {
  rooms: RoomCard[];
  next: string | null;
}

export interface JoinBody {
  ticket: string;
  url: string;
  room: RoomCard;
}

export interface Category {
  slug: string;
  name: string;
  questions: number;
  by_difficulty: Record<string, number>;
}
