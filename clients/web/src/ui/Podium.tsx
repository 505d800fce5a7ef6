import { m } from "motion/react";

import { useText } from "../text";
import { Avatar } from "./Avatar";
import { ANSWERS, Shape } from "./Shape";
import "./Podium.css";

export interface PodiumPlace {
  readonly seat: number;
  readonly name: string;
  readonly avatar: string;
  readonly rank: number;
  readonly score: number;
}

interface Props {
  /** Best first; ties share a rank. */
  readonly rows: readonly PodiumPlace[];
  readonly mySeat: number | null;
  readonly size?: "normal" | "screen";
}

/** At most this many stand on it when ties make it crowded; everybody else is in the list below. */
const STANDS_MAX = 5;

/** The first three ranks. The winner stands in the middle, ties stand at the same height. */
export function Podium({ rows, mySeat, size = "normal" }: Props) {
  const t = useText();
  const standing = rows.filter((row) => row.rank <= 3).slice(0, STANDS_MAX);
  // Left of the middle every second one: 2 1 3, with five 4 2 1 3 5.
  const placed: PodiumPlace[] = [];
  standing.forEach((row, index) => (index % 2 === 1 ? placed.unshift(row) : placed.push(row)));
  return (
    <div className={`podium podium-${size}`}>
      <Confetti />
      <ol className="podium-stands" aria-label={t("podium")}>
        {placed.map((row) => (
          <m.li
            key={row.seat}
            className={`stand stand-${String(row.rank)}${row.seat === mySeat ? " stand-me" : ""}`}
            initial={{ y: 80, opacity: 0 }}
            animate={{ y: 0, opacity: 1 }}
            transition={{ type: "spring", stiffness: 220, damping: 20, delay: (3 - row.rank) * 0.35 }}
          >
            <span className="stand-who">
              <Avatar avatar={row.avatar} size="100%" />
              <span className="stand-name">{row.name}</span>
              <span className="stand-score figures">{t("points", { n: row.score })}</span>
            </span>
            <span className="stand-block">
              <span className="sr-only">{t("score.rank")} </span>
              {row.rank}
            </span>
          </m.li>
        ))}
      </ol>
    </div>
  );
}

const PIECES = Array.from({ length: 24 }, (_, index) => ANSWERS[index % ANSWERS.length] ?? ANSWERS[0]);

function Confetti() {
  return (
    <div className="confetti" aria-hidden="true">
      {PIECES.map((piece, index) => (
        <span key={index} className={`confetti-${piece.colour}`}>
          <Shape colour={piece.colour} size="1em" />
        </span>
      ))}
    </div>
  );
}
