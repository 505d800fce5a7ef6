import { sha256 } from "@noble/hashes/sha2.js";

import { fromHex, toHex } from "../../lib/hex";
import { useRoom } from "../../match/hooks";
import { useText } from "../../text";

/** Whether the secret told at the end is the one promised before. Bundled SHA-256: plain http has no crypto.subtle. */
export function keptPromise(secretHash: string, secret: string): boolean {
  return toHex(sha256(fromHex(secret))) === secretHash;
}

/** Verifiable fairness: what was promised, what was told, and whether they agree. */
export function Fairness() {
  const t = useText();
  const fairness = useRoom((room) => room.fairness);
  if (fairness.secret == null) return null;
  const kept = keptPromise(fairness.secret_hash, fairness.secret);
  return (
    <details className="fair">
      <summary>{t("fair.title")}</summary>
      <p className="muted">{t("fair.more")}</p>
      <p>
        <b>{t(kept ? "fair.good" : "fair.bad")}</b>
      </p>
      <dl>
        <dt>{t("fair.promise")}</dt>
        <dd>{fairness.secret_hash}</dd>
        <dt>{t("fair.secret")}</dt>
        <dd>{fairness.secret}</dd>
        <dt>{t("fair.commitment")}</dt>
        <dd>{fairness.commitment}</dd>
      </dl>
    </details>
  );
}
