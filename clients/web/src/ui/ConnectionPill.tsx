import { useText } from "../text";
import "./ConnectionPill.css";

export type Quality = "good" | "fair" | "poor" | "lost";

/** The line as a sign: bars and a word, the figure for those who ask. */
export function ConnectionPill({ quality, ms }: { readonly quality: Quality; readonly ms: number | null }) {
  const t = useText();
  const bars = { good: 3, fair: 2, poor: 1, lost: 0 }[quality];
  const word = t(`connection.${quality}`);
  const label = ms === null ? word : `${word}, ${t("connection.ms", { n: Math.round(ms) })}`;
  return (
    <span className={`pill pill-${quality}`} role="img" aria-label={label} title={label}>
      <svg viewBox="0 0 20 16" width="20" height="16" aria-hidden="true">
        {[0, 1, 2].map((bar) => (
          <rect
            key={bar}
            x={bar * 7}
            y={10 - bar * 5}
            width="5"
            height={6 + bar * 5}
            rx="1.500"
            className={bar < bars ? "pill-on" : "pill-off"}
          />
        ))}
      </svg>
    </span>
  );
}
