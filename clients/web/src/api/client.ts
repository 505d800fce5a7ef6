/** The HTTP API, one function for each use. Every one throws `Problem`. */
import type { RecordedMatch } from "../match/fairness";
import { Problem } from "./problem";
import { accept, accessToken, csrfToken, refresh, renamed, send, signedOut, tokenRefused } from "./session";
import type { Category, JoinBody, Me, ModeInfo, RoomCard, RoomPage, SessionBody } from "./types";

type Method = "GET" | "POST" | "PATCH" | "DELETE";

interface Options {
  readonly body?: object | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Send no access token: the call makes a session, or needs none. */
  readonly anonymous?: boolean;
  readonly headers?: Record<string, string>;
}

async function call<T>(method: Method, path: string, options: Options = {}): Promise<T> {
  const token = options.anonymous ? null : await accessToken();
  let response = await once(method, path, options, token);
  if (response.status === 401 && token !== null) {
    tokenRefused(token);
    const fresh = await accessToken();
    if (fresh !== null) response = await once(method, path, options, fresh);
  }
  if (!response.ok) throw await Problem.from(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

function once(method: Method, path: string, options: Options, token: string | null): Promise<Response> {
  return send(`/api/${path}`, {
    method,
    headers: {
      Accept: "application/json",
      ...(options.body ? { "Content-Type": "application/json" } : {}),
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      ...options.headers,
    },
    ...(options.body ? { body: JSON.stringify(options.body) } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
  });
}

// ---- people

/** Find out who this browser is. */
export const restore = refresh;

export async function playAsGuest(name: string, avatar: string): Promise<Me> {
  const body = { name, avatar, client: "browser" };
  return accept(await call<SessionBody>("POST", "auth/guest", { body, anonymous: true }));
}

/** With a guest's session the guest becomes the account and loses nothing. */
export async function register(fields: {
  username: string;
  password: string;
  name: string;
  avatar: string;
}): Promise<Me> {
  return accept(await call<SessionBody>("POST", "auth/register", { body: { ...fields, client: "browser" } }));
}

export async function login(username: string, password: string): Promise<Me> {
  const body = { username, password, client: "browser" };
  return accept(await call<SessionBody>("POST", "auth/login", { body, anonymous: true }));
}

export async function logout(): Promise<void> {
  try {
    await call<unknown>("POST", "auth/logout", {
      body: {},
      headers: { "X-CSRF-Token": csrfToken() ?? "" },
    });
  } finally {
    signedOut();
  }
}

export async function changePassword(old: string, fresh: string): Promise<void> {
  await call<unknown>("POST", "auth/password", { body: { old, new: fresh } });
}

export async function changeMe(fields: { name?: string; avatar?: string }): Promise<Me> {
  const me = await call<Me>("PATCH", "users/me", { body: fields });
  renamed(me);
  return me;
}

// ---- games

export async function modes(signal?: AbortSignal): Promise<ModeInfo[]> {
  return (await call<{ modes: ModeInfo[] }>("GET", "games/modes", { signal, anonymous: true })).modes;
}

export async function categories(signal?: AbortSignal): Promise<Category[]> {
  const body = await call<{ categories: Category[] }>("GET", "trivia/categories", {
    signal,
    anonymous: true,
  });
  return body.categories;
}

export function publicRooms(signal?: AbortSignal): Promise<RoomPage> {
  return call<RoomPage>("GET", "games/rooms", { signal, anonymous: true });
}

export function roomCard(code: string, signal?: AbortSignal): Promise<RoomCard> {
  return call<RoomCard>("GET", `games/rooms/${code}`, { signal, anonymous: true });
}

export function createRoom(fields: {
  mode: string;
  settings: Record<string, unknown>;
  public: boolean;
  title: string;
}): Promise<{ code: string }> {
  return call<{ code: string }>("POST", "games/rooms", { body: fields });
}

export function joinRoom(code: string, role: string): Promise<JoinBody> {
  return call<JoinBody>("POST", `games/rooms/${code}/join`, { body: { role } });
}

export function recordedMatch(id: string, signal?: AbortSignal): Promise<RecordedMatch> {
  return call<RecordedMatch>("GET", `games/matches/${id}`, { signal });
}
