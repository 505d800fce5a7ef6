import { useEffect, useState } from "react";

import * as api from "../../api/client";
import { Problem } from "../../api/problem";
import { currentIdentity } from "../../api/session";
import { newAvatar } from "../../lib/names";
import { device } from "../../lib/storage";
import { RoomConnection, type Outside, type TicketAnswer } from "../../match/connection";
import { Seats } from "../../match/seats";
import type { Role } from "../../match/state";

export const seats = new Seats(device);

async function ticket(code: string, role: Role, screenName: string): Promise<TicketAnswer> {
  try {
    // A television has nobody to type a name.
    if (role !== "player" && currentIdentity().is !== "somebody")
      await api.playAsGuest(screenName, newAvatar());
    return { ticket: (await api.joinRoom(code, role)).ticket };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { status: error.status, code: error.code, afterMs: error.afterMs };
  }
}

/** The connection to a room for as long as the page shows it. */
export function useConnection(code: string, role: Role, screenName: string): RoomConnection | null {
  const [connection, setConnection] = useState<RoomConnection | null>(null);
  useEffect(() => {
    const outside: Outside = {
      seats,
      origin: location.origin.replace(/^http/, "ws"),
      ticket: (of, as) => ticket(of, as, screenName),
    };
    const made = new RoomConnection(code, role, outside);
    made.begin();
    // eslint-disable-next-line react-hooks/set-state-in-effect -- the connection is an outside thing that begins here
    setConnection(made);
    return () => {
      made.end();
      setConnection(null);
    };
  }, [code, role, screenName]);
  return connection;
}
