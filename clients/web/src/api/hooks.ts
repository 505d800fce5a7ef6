/** The API in React: who I am, and what the server lists. */
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";

import { LIMITS } from "../protocol/generated";
import * as api from "./client";
import { Problem } from "./problem";
import { currentIdentity, onIdentity, type Identity } from "./session";
import type { Me } from "./types";

export function useIdentity(): Identity {
  const identity = useSyncExternalStore(onIdentity, currentIdentity);
  useEffect(() => {
    if (identity.is !== "unknown") return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = (): void => {
      api.restore().catch((error: unknown) => {
        if (!(error instanceof Problem)) throw error;
        timer = setTimeout(ask, Math.max(error.afterMs, 2_000));
      });
    };
    ask();
    return () => clearTimeout(timer);
  }, [identity.is]);
  return identity;
}

export const modesQuery = queryOptions({
  queryKey: ["modes"],
  queryFn: ({ signal }) => api.modes(signal),
  staleTime: 10 * 60_000,
});
export const categoriesQuery = queryOptions({
  queryKey: ["categories"],
  queryFn: ({ signal }) => api.categories(signal),
  staleTime: 5 * 60_000,
});
export const roomsQuery = queryOptions({
  queryKey: ["rooms"],
  queryFn: ({ signal }) => api.publicRooms(signal),
  refetchInterval: 5_000,
});
/** A match is recorded some moments after its end: until then the server knows none. */
export const matchQuery = (id: string) =>
  queryOptions({
    queryKey: ["match", id],
    queryFn: ({ signal }) => api.recordedMatch(id, signal),
    staleTime: Infinity,
    retry: 8,
    retryDelay: 1_500,
  });
export const cardQuery = (code: string) =>
  queryOptions({
    queryKey: ["room", code],
    queryFn: ({ signal }) => api.roomCard(code, signal),
    staleTime: 2_000,
    refetchInterval: 5_000,
    enabled: code !== "",
  });

export function useRoomCard(code: string) {
  return useQuery(cardQuery(code));
}

/** Be somebody before playing: who is here already, under this name, or a new guest. @throws Problem */
export async function becomePlayer(identity: Identity, name: string, avatar: string): Promise<Me> {
  const wanted = cleanName(name);
  if (identity.is !== "somebody") return api.playAsGuest(wanted, avatar);
  const { me } = identity;
  if (me.kind === "account") return me;
  if (me.name === wanted && me.avatar === avatar) return me;
  return api.changeMe({ name: wanted, avatar });
}

export function cleanName(name: string): string {
  return Array.from(name.replace(/\s+/g, " ").trim()).slice(0, LIMITS.NAME_CHARS_MAX).join("");
}
