import { ChevronDown, ChevronUp } from "lucide-react";
import type { ReactNode } from "react";

import { useText } from "../text";
import { Avatar } from "./Avatar";
import "./ScoreBar.css";

interface Props {
  readonly rank: number;
  readonly name: string;
  readonly avatar: string;
  readonly score: number;
  /** The best score, for the length of the bar. */
  readonly best: number;
  readonly moved?: number;
  readonly gained?: number;
  readonly me?: boolean;
  readonly away?: boolean;
  readonly after?: ReactNode;
}

/** One line of a scoreboard. */
export function ScoreBar({ rank, name, avatar, score, best, moved = 0, gained = 0, me, away, after }: Props) {
  const t = useText();
  return (
    <div className={`score${me ? " score-me" : ""}${away ? " score-away" : ""}`}>
      <svg className="score-bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <rect width={best > 0 ? Math.max(0, (score / best) * 100) : 0} height="10" />
      </svg>
      <span className="score-rank figures">
        <span className="sr-only">{t("score.rank")} </span>
        {rank}
      </span>
      <Avatar avatar={avatar} size="2.5em" />
      <span className="score-name">
        {name}
        {me && <span className="score-you">{t("you")}</span>}
      </span>
      {after}
      {moved !== 0 && (
        <span className={`score-moved figures ${moved > 0 ? "score-up" : "score-down"}`}>
          {moved > 0 ? (
            <ChevronUp size="1.1em" strokeWidth={3} aria-hidden="true" />
          ) : (
            <ChevronDown size="1.1em" strokeWidth={3} aria-hidden="true" />
          )}
          <span className="sr-only">{t(moved > 0 ? "score.up" : "score.down", { n: Math.abs(moved) })}</span>
          <span aria-hidden="true">{Math.abs(moved)}</span>
        </span>
      )}
      {gained > 0 && <span className="score-gained figures">+{t.number(gained)}</span>}
      <span className="score-points figures">{t.number(score)}</span>
    </div>
  );
}
