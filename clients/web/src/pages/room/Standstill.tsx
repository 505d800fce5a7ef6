import { useEffect, useState } from "react";

import { clockEstimate } from "../../match/clock";
import { useAsk, useMayHost, useRoom, useRoomConnection } from "../../match/hooks";
import { useText } from "../../text";
import { announce } from "../../ui/announce";
import { Avatar } from "../../ui/Avatar";
import { Button } from "../../ui/Button";

/** The room stands still: question and answers are covered, and everybody sees why and for how long. */
export function Standstill() {
  const t = useText();
  const still = useRoom((room) => room.standstill ?? null);
  const people = useRoom((room) => room.seats);
  const phase = useRoom((room) => room.phase);
  const mayHost = useMayHost();
  const ask = useAsk();
  const seconds = useShardSeconds(still?.until ?? null);
  const kind = still?.kind;
  useEffect(() => {
    if (kind) announce(t(`still.${kind}`));
  }, [kind, t]);
  // Outside a match nothing is at stake: people come back one by one, and that shows by itself.
  if (!still || (phase !== "match" && phase !== "countdown")) return null;
  const awaited = Object.keys(still.awaited).filter((seat) => still.awaited[seat]);
  return (
    <section className="still" aria-label={t(`still.${still.kind}`)} data-testid="standstill">
      <h2>{t(`still.${still.kind}`)}</h2>
      {still.kind === "count_in" && (
        <span className="still-count figures" aria-hidden="true">
          {seconds ?? ""}
        </span>
      )}
      {still.kind === "regrouping" && (
        <>
          <p>{t("still.regrouping.more")}</p>
          <ul className="still-awaited">
            {awaited.slice(0, 12).map((seat) => (
              <li key={seat}>
                <Avatar avatar={people[seat]?.avatar ?? seat} size={48} />
                {people[seat]?.name}
              </li>
            ))}
          </ul>
          {awaited.length > 12 && <p>{t("more", { n: awaited.length - 12 })}</p>}
        </>
      )}
      {still.kind === "paused" && (
        <>
          <p>{t("still.paused.more")}</p>
          {mayHost && (
            <Button kind="primary" size="large" onClick={() => ask({ t: "room.unpause" })}>
              {t("unpause")}
            </Button>
          )}
        </>
      )}
    </section>
  );
}

/** Whole seconds until a time of the shard clock, which runs while the room clock stands. */
function useShardSeconds(until: number | null): number | null {
  const connection = useRoomConnection();
  const [left, setLeft] = useState<number | null>(null);
  useEffect(() => {
    if (until === null) return;
    const look = (): void => {
      const offset = clockEstimate(connection.session.clock)?.offset ?? 0;
      setLeft(Math.max(0, Math.ceil((until - performance.now() - offset) / 1000)));
    };
    look();
    const timer = setInterval(look, 200);
    return () => clearInterval(timer);
  }, [connection, until]);
  return until === null ? null : left;
}
