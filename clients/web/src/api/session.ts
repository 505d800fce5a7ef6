/**
 * Who this browser is: a short access token in memory, a refresh token in a cookie that scripts cannot read.
 *
 * A refresh token is used once and then replaced, so the tabs of one browser take turns in refreshing.
 */
import { inTurn } from "../lib/turns";
import { Problem } from "./problem";
import type { Me, SessionBody } from "./types";

export type Identity =
  { readonly is: "unknown" } | { readonly is: "nobody" } | { readonly is: "somebody"; readonly me: Me };

interface Access {
  readonly token: string;
  readonly until: number;
}

const EARLY_MS = 30_000;
const TIMEOUT_MS = 10_000;

let identity: Identity = { is: "unknown" };
let access: Access | null = null;
let refreshing: Promise<boolean> | null = null;
const listeners = new Set<() => void>();

export function currentIdentity(): Identity {
  return identity;
}

export function onIdentity(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function become(next: Identity, token: Access | null): void {
  identity = next;
  access = token;
  for (const listener of listeners) listener();
}

export function accept(body: SessionBody): Me {
  become(
    { is: "somebody", me: body.user },
    { token: body.access_token, until: Date.now() + body.expires_in * 1000 },
  );
  return body.user;
}

export function renamed(me: Me): void {
  become({ is: "somebody", me }, access);
}

export function signedOut(): void {
  become({ is: "nobody" }, null);
}

export function csrfToken(): string | null {
  return (
    document.cookie
      .split("; ")
      .find((part) => part.startsWith("arena_csrf="))
      ?.slice("arena_csrf=".length) ?? null
  );
}

/** A token that is good for a while, refreshed when need be; null: nobody is signed in. */
export async function accessToken(): Promise<string | null> {
  if (access && access.until - EARLY_MS > Date.now()) return access.token;
  return (await refresh()) ? (access?.token ?? null) : null;
}

/** The server refused the token: it was revoked, or its key changed. */
export function tokenRefused(token: string): void {
  if (access?.token === token) access = null;
}

/** @throws Problem when the server cannot be reached or is failing: nobody is signed out by that */
export function refresh(): Promise<boolean> {
  refreshing ??= inTurn("arena.refresh", refreshNow).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function refreshNow(): Promise<boolean> {
  const csrf = csrfToken();
  if (csrf === null) {
    signedOut();
    return false;
  }
  const response = await send("/api/auth/refresh", {
    method: "POST",
    headers: { "X-CSRF-Token": csrf, "Content-Type": "application/json" },
    body: "{}",
  });
  if (response.ok) {
    accept((await response.json()) as SessionBody);
    return true;
  }
  if (response.status === 429 || response.status >= 500) throw await Problem.from(response);
  signedOut();
  return false;
}

/** One request with a time-out. @throws Problem with status 0 when no answer came */
export async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, {
      credentials: "same-origin",
      ...init,
      signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(init.signal ? [init.signal] : [])]),
    });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem(0, "offline", "no answer from the server");
  }
}
