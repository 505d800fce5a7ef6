import { useMySeat, useRoom } from "../../match/hooks";
import { useText } from "../../text";
import { ScoreBar } from "../../ui/ScoreBar";
import { standings, useTrivia } from "./view";

/** The standing with its movement: the best few, and me wherever I am. */
export function Scoreboard({ most }: { readonly most: number }) {
  const t = useText();
  const mySeat = useMySeat();
  const seats = useRoom((room) => room.seats);
  const scores = useTrivia((game) => game.scores);
  const rows = standings(scores, seats);
  const best = rows[0]?.score ?? 0;
  const shown = rows.slice(0, most);
  const mine = rows.find((row) => row.seat === mySeat);
  if (mine && !shown.includes(mine)) shown.push(mine);
  return (
    <section className="trivia-scores" aria-label={t("trivia.scores")}>
      <h2>{t("trivia.scores")}</h2>
      <ol>
        {shown.map((row) => (
          <li key={row.seat}>
            <ScoreBar
              rank={row.rank}
              name={row.name}
              avatar={row.avatar}
              score={row.score}
              best={best}
              moved={row.moved}
              gained={row.gained}
              me={row.seat === mySeat}
              away={!row.here}
            />
          </li>
        ))}
      </ol>
    </section>
  );
}
