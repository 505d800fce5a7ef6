import { useEffect } from "react";

import { gameOf } from "../../games/registry";
import { useAsk, useMayHost, useRoom, useSecondsLeft } from "../../match/hooks";
import { useText } from "../../text";
import { announce } from "../../ui/announce";
import { Button } from "../../ui/Button";
import { play } from "../../ui/sound";

export function Countdown() {
  const t = useText();
  const ask = useAsk();
  const mayHost = useMayHost();
  const mode = useRoom((room) => room.mode);
  const settings = useRoom((room) => room.settings);
  const waiting = useRoom((room) => room.waiting_for ?? null);
  const until = useRoom((room) => room.until ?? null);
  const seconds = useSecondsLeft(until);
  useEffect(() => announce(t("countdown.begins")), [t]);
  useEffect(() => {
    if (seconds !== null && seconds > 0 && seconds <= 3) play("tick");
  }, [seconds]);
  return (
    <div className="countdown">
      <h1>{t.code("mode", mode, "mode.other")}</h1>
      <p className="muted">{gameOf(mode)?.summary(settings as unknown as Record<string, unknown>, t)}</p>
      <p className="countdown-figure figures" aria-hidden="true">
        {waiting === null && seconds !== null && (
          <span key={seconds}>{seconds === 0 ? t("go") : seconds}</span>
        )}
      </p>
      <p role="status">{waiting === null ? t("countdown.begins") : t("countdown.waiting")}</p>
      {mayHost && <Button onClick={() => ask({ t: "room.cancel" })}>{t("countdown.cancel")}</Button>}
    </div>
  );
}
