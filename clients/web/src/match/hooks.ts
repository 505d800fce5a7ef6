/** The match in React: components ask by selectors, and never see a socket. */
import { createContext, use, useCallback, useEffect, useMemo, useSyncExternalStore } from "react";

import type { RoomView } from "../protocol/generated";
import type { Wish } from "./commands";
import type { Passing, RoomConnection } from "./connection";
import type { Session } from "./state";

export const RoomContext = createContext<RoomConnection | null>(null);

export function useRoomConnection(): RoomConnection {
  const connection = use(RoomContext);
  if (!connection) throw new Error("no room around this component");
  return connection;
}

/** Part of the session. `select` must return something that stays the same while nothing changed. */
export function useSession<T>(select: (session: Session) => T): T {
  const connection = useRoomConnection();
  return useSyncExternalStore(connection.subscribe, () => select(connection.session));
}

/** Part of the room's view. Only below `RoomGate`, which waits for the first view. */
export function useRoom<T>(select: (room: RoomView) => T): T {
  return useSession((session) => {
    if (!session.held) throw new Error("no view yet");
    return select(session.held.room);
  });
}

export const useMySeat = (): number | null => useSession((session) => session.held?.seat ?? null);
/** What only this seat sees; the type is the mode's. */
export const useMine = (): Readonly<Record<string, unknown>> | null =>
  useSession((session) => session.held?.mine ?? null);

export function useIsHost(): boolean {
  return useSession((session) => {
    const held = session.held;
    return held?.seat != null && held.room.seats[held.seat]?.role === "host";
  });
}

/** Host or co-host. */
export function useMayHost(): boolean {
  return useSession((session) => {
    const held = session.held;
    const role = held?.seat == null ? undefined : held.room.seats[held.seat]?.role;
    return role === "host" || role === "cohost";
  });
}

export function useAsk(): (wish: Wish) => void {
  return useRoomConnection().ask;
}

/** The newest unanswered wish of a kind: what is on its way. */
export function useOnItsWay<K extends Wish["t"]>(kind: K): Extract<Wish, { t: K }> | null {
  return useSession((session) => {
    const found = session.commands.pending.findLast((one) => one.wish.t === kind);
    return (found?.wish ?? null) as Extract<Wish, { t: K }> | null;
  });
}

export function usePassing(listener: (passing: Passing) => void): void {
  const connection = useRoomConnection();
  useEffect(() => connection.onPassing(listener), [connection, listener]);
}

/**
 * A value made from the room clock, kept up to date by a timer of its own.
 *
 * `read` gives the value at a room time (something comparable by `===`); `next` the room time at which it
 * changes next, or null.
 */
export function useRoomClock<T>(read: (roomNow: number) => T, next: (roomNow: number) => number | null): T {
  const connection = useRoomConnection();
  const subscribe = useCallback(
    (notify: () => void) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const arm = (): void => {
        clearTimeout(timer);
        const now = connection.roomNow();
        if (now === null || connection.session.held?.room.clock.stopped != null) return;
        const at = next(now);
        if (at === null) return;
        timer = setTimeout(
          () => {
            notify();
            arm();
          },
          Math.min(Math.max(1, at - now), 60_000),
        );
      };
      const off = connection.subscribe(() => {
        arm();
        notify();
      });
      arm();
      return () => {
        clearTimeout(timer);
        off();
      };
    },
    [connection, next],
  );
  return useSyncExternalStore(subscribe, () => read(connection.roomNow() ?? 0));
}

/** Whether the room clock has reached a time; false for null. */
export function useReached(at: number | null): boolean {
  const read = useCallback((now: number) => at !== null && now >= at, [at]);
  const next = useCallback((now: number) => (at !== null && now < at ? at : null), [at]);
  return useRoomClock(read, next);
}

/** Whole seconds left until a room time, never negative; null for null. */
export function useSecondsLeft(until: number | null): number | null {
  const read = useCallback(
    (now: number) => (until === null ? null : Math.max(0, Math.ceil((until - now) / 1000))),
    [until],
  );
  const next = useCallback(
    (now: number) => {
      if (until === null || now >= until) return null;
      const left = Math.ceil((until - now) / 1000);
      return until - (left - 1) * 1000;
    },
    [until],
  );
  return useRoomClock(read, next);
}

/** Seats in the order of their numbers. */
export function useSeats(): readonly (readonly [number, RoomView["seats"][string]])[] {
  const seats = useRoom((room) => room.seats);
  return useMemo(
    () =>
      Object.entries(seats)
        .map(([seat, view]) => [Number(seat), view] as const)
        .sort(([a], [b]) => a - b),
    [seats],
  );
}
