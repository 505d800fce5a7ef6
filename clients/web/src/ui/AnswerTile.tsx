import { Check, X } from "lucide-react";

import { answerOf, Shape } from "./Shape";
import "./AnswerTile.css";

/** idle: may be pressed · sent: on its way · taken: the server has it · passed: another was taken · shown: nothing to press. */
export type TileState = "idle" | "sent" | "taken" | "passed" | "shown" | "right" | "wrong" | "missed";

interface Props {
  readonly index: number;
  readonly text: string;
  readonly state: TileState;
  /** Said after the text by screen readers: “sent”, “right answer, 3 chose it”. */
  readonly status?: string | undefined;
  /** How many chose it, and the share 0…1 of all answers; from the reveal on. */
  readonly count?: { readonly label: string; readonly share: number } | undefined;
  readonly onPress?: (() => void) | undefined;
  readonly disabled?: boolean;
}

export function AnswerTile({ index, text, state, status, count, onPress, disabled }: Props) {
  const { colour, letter } = answerOf(index);
  const inside = (
    <>
      {count && <Bar share={count.share} />}
      <span className="tile-mark" aria-hidden="true">
        <Shape colour={colour} size="1.1em" />
        <b>{letter}</b>
      </span>
      <span className="tile-text">
        <span className="sr-only">{letter}: </span>
        {text}
      </span>
      <span className="tile-end" aria-hidden="true">
        {count && <span className="figures">{count.label}</span>}
        {(state === "taken" || state === "right") && <Check strokeWidth={3.5} />}
        {state === "wrong" && <X strokeWidth={3.5} />}
        {state === "sent" && <span className="tile-sending" />}
      </span>
      {status && <span className="sr-only">, {status}</span>}
    </>
  );
  const className = `tile tile-${colour} tile-${state}`;
  if (!onPress) return <div className={className}>{inside}</div>;
  return (
    <button
      type="button"
      className={className}
      onClick={onPress}
      aria-disabled={disabled ? true : undefined}
      aria-pressed={state === "taken" || state === "sent"}
      aria-keyshortcuts={`${String(index + 1)} ${letter}`}
    >
      {inside}
    </button>
  );
}

/** The share of those who chose it; an SVG, so that its width needs no style attribute. */
function Bar({ share }: { readonly share: number }) {
  return (
    <svg className="tile-bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <rect width={Math.max(0, Math.min(100, share * 100))} height="10" />
    </svg>
  );
}
