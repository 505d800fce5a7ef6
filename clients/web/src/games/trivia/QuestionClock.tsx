import { useCallback } from "react";

import { useReached, useRoom, useRoomConnection, useSecondsLeft } from "../../match/hooks";
import { Clock } from "../../ui/Clock";

interface Props {
  readonly opensAt: number;
  readonly closesAt: number;
  readonly spoken?: boolean;
  readonly size?: "normal" | "screen";
}

/** The question's clock on the room clock: full until it opens, still while the room stands. */
export function QuestionClock({ opensAt, closesAt, spoken = false, size = "normal" }: Props) {
  const connection = useRoomConnection();
  const still = useRoom((room) => room.clock.stopped != null);
  const open = useReached(opensAt);
  const left = useSecondsLeft(closesAt) ?? 0;
  const total = closesAt - opensAt;
  const remaining = useCallback(() => {
    const now = connection.roomNow();
    return now === null ? null : Math.min(total, Math.max(0, closesAt - now));
  }, [connection, closesAt, total]);
  const seconds = open ? left : Math.ceil(total / 1000);
  return <Clock left={remaining} total={total} seconds={seconds} still={still} spoken={spoken} size={size} />;
}
