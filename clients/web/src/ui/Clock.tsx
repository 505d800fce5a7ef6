import { useEffect, useRef } from "react";

import { useText } from "../text";
import { announce } from "./announce";
import "./Clock.css";

interface Props {
  /** Milliseconds left now, asked for each frame; null: the clock has not begun. */
  readonly left: () => number | null;
  /** The whole time, ms. */
  readonly total: number;
  /** Whole seconds left: the figure. */
  readonly seconds: number;
  readonly still?: boolean;
  /** Say 10, 5 and 0 aloud. */
  readonly spoken?: boolean;
  readonly size?: "normal" | "screen";
}

const RADIUS = 26;
const ROUND = 2 * Math.PI * RADIUS;
const SPOKEN = new Set([10, 5, 0]);

/** A ring that drains on the synced clock. */
export function Clock({ left, total, seconds, still, spoken, size = "normal" }: Props) {
  const t = useText();
  const ring = useRef<SVGCircleElement>(null);

  useEffect(() => {
    let frame = 0;
    const draw = (): void => {
      const share = Math.max(0, Math.min(1, (left() ?? total) / total));
      ring.current?.setAttribute("stroke-dashoffset", String(ROUND * (1 - share)));
      frame = requestAnimationFrame(draw);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, [left, total]);

  const before = useRef(seconds);
  useEffect(() => {
    // Only when it is reached by counting, not when it is there from the start.
    if (spoken && !still && SPOKEN.has(seconds) && before.current > seconds) {
      announce(seconds === 0 ? t("clock.over") : t("clock.left", { n: seconds }));
    }
    before.current = seconds;
  }, [seconds, spoken, still, t]);

  const mood = still ? "still" : seconds <= 5 ? "late" : "calm";
  return (
    <div
      className={`clock clock-${mood} clock-${size}`}
      role="timer"
      aria-label={t("clock.left", { n: seconds })}
    >
      <svg viewBox="0 0 64 64" aria-hidden="true">
        <circle className="clock-track" cx="32" cy="32" r={RADIUS} />
        <circle
          ref={ring}
          className="clock-ring"
          cx="32"
          cy="32"
          r={RADIUS}
          strokeDasharray={ROUND}
          transform="rotate(-90 32 32)"
        />
      </svg>
      <span className="clock-figure figures" aria-hidden="true">
        {seconds}
      </span>
    </div>
  );
}
