import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { matchQuery } from "../../api/hooks";
import { Problem } from "../../api/problem";
import { verdicts, witnessed, type Seen, type Verdict } from "../../match/fairness";
import { useRoom } from "../../match/hooks";
import { useText } from "../../text";

/** What was promised on this page, in whichever room. A page that was loaded after a promise cannot vouch for it. */
let seen: Seen = new Set();

/** Remember what the server promises, from the lobby on. */
export function useWitness(): void {
  const fairness = useRoom((room) => room.fairness);
  useEffect(() => {
    seen = witnessed(seen, fairness);
  }, [fairness]);
}

/** Verifiable fairness: what was promised, what was told, and what follows from it by this browser's own reckoning. */
export function Fairness() {
  const t = useText();
  const fairness = useRoom((room) => room.fairness);
  const id = useRoom((room) => room.results?.match ?? "");
  const [open, setOpen] = useState(false);
  const { data: match, error } = useQuery({ ...matchQuery(id), enabled: open && id !== "" });
  if (fairness.secret == null) return null;
  const recorded = match ?? null;
  const checks = open ? verdicts(fairness, seen, recorded) : [];
  const waiting = recorded === null && (!(error instanceof Problem) || error.status === 404);
  const word = (verdict: Verdict): string =>
    t(verdict === null ? "fair.unknown" : verdict ? "fair.holds" : "fair.broken");
  return (
    <details className="fair" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("fair.title")}</summary>
      <p className="muted">{t("fair.more")}</p>
      <ul className="fair-checks">
        {checks.map(([check, verdict]) => (
          <li key={check} className={`fair-${String(verdict)}`}>
            {t(`fair.check.${check}`)}: <b>{word(verdict)}</b>
          </li>
        ))}
        {recorded === null && <li className="muted">{t(waiting ? "fair.waiting" : "fair.failed")}</li>}
      </ul>
      <p className="muted small">{t("fair.not")}</p>
      <dl>
        <dt>{t("fair.promise")}</dt>
        <dd>{fairness.secret_hash}</dd>
        <dt>{t("fair.secret")}</dt>
        <dd>{fairness.secret}</dd>
        <dt>{t("fair.commitment")}</dt>
        <dd>{fairness.commitment}</dd>
        <dt>{t("fair.match")}</dt>
        <dd>{id}</dd>
      </dl>
    </details>
  );
}
