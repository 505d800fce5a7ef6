import { useEffect } from "react";

import { useAsk, useMayHost, useMySeat, useRoom } from "../../match/hooks";
import { useText } from "../../text";
import { announce } from "../../ui/announce";
import { Button } from "../../ui/Button";
import { Podium } from "../../ui/Podium";
import { ScoreBar } from "../../ui/ScoreBar";
import { play } from "../../ui/sound";
import { toast } from "../../ui/toasts";
import { Fairness } from "./Fairness";
import "./Results.css";

/** The podium, everybody's line, and on to the next match. */
export function Results() {
  const t = useText();
  const results = useRoom((room) => room.results ?? null);
  const mySeat = useMySeat();
  useEffect(() => {
    play("podium");
    announce(t("results.title"));
  }, [t]);
  if (!results) return <p role="status">{t("loading")}</p>;
  const best = results.rows[0]?.score ?? 0;
  return (
    <div className="results">
      <h1>{t(results.abandoned ? "results.abandoned" : "results.title")}</h1>
      <Podium rows={results.rows} mySeat={mySeat} />
      <Next />
      <section aria-label={t("results.all")}>
        <h2>{t("results.all")}</h2>
        <ol className="results-rows">
          {results.rows.map((row) => (
            <li key={row.seat}>
              <ScoreBar
                rank={row.rank}
                name={row.name}
                avatar={row.avatar}
                score={row.score}
                best={best}
                me={row.seat === mySeat}
                after={
                  <span className="muted small figures">
                    {t("results.right", { correct: row.correct, answered: row.answered })}
                  </span>
                }
              />
            </li>
          ))}
        </ol>
      </section>
      <Fairness />
    </div>
  );
}

function Next() {
  const t = useText();
  const ask = useAsk();
  const mayHost = useMayHost();
  const mySeat = useMySeat();
  const title = useRoom((room) => room.title || room.code);
  const mine = useRoom((room) => room.results?.rows.find((row) => row.seat === mySeat) ?? null);
  const share = async (): Promise<void> => {
    if (!mine) return;
    const text = t("results.shareText", { title, rank: mine.rank, score: mine.score });
    try {
      // Plain http has no clipboard; the sheet of the phone may still be there.
      if ("share" in navigator) await navigator.share({ text });
      else {
        await (navigator as Navigator).clipboard.writeText(text);
        toast(t("copied"));
      }
    } catch {
      toast(text);
    }
  };
  return (
    <div className="results-next">
      {mayHost ? (
        <>
          <Button kind="primary" size="large" onClick={() => ask({ t: "room.rematch" })}>
            {t("results.again")}
          </Button>
          <Button size="large" onClick={() => ask({ t: "room.lobby" })}>
            {t("results.lobby")}
          </Button>
        </>
      ) : (
        <p className="muted">{t("results.wait")}</p>
      )}
      {mine && (
        <Button kind="quiet" onClick={() => void share()}>
          {t("share")}
        </Button>
      )}
    </div>
  );
}
