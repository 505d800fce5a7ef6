import { useEffect, useState } from "react";

import { useRoomConnection, useSession } from "../../match/hooks";
import { useText } from "../../text";
import { announce } from "../../ui/announce";

/** A hiccup shorter than this says nothing. */
const QUIET_MS = 400;

/** The line is lost: says so, says that nothing else is, and goes when it is back. */
export function Banner() {
  const t = useText();
  const connection = useRoomConnection();
  const lost = useSession((session) => session.lostAt !== null && session.link.is !== "stopped");
  const kept = useSession((session) => session.commands.pending.length > 0);
  const [shown, setShown] = useState(false);

  useEffect(() => {
    if (!lost) return;
    const timer = setTimeout(() => {
      setShown(true);
      announce(t("banner.lost"), "assertive");
    }, QUIET_MS);
    return () => {
      clearTimeout(timer);
      setShown((was) => {
        if (was) announce(t("banner.back"));
        return false;
      });
    };
  }, [lost, t]);

  if (!shown) return null;
  return (
    <div className="banner" data-testid="banner-lost">
      <span>
        {t("banner.lost")} {t(kept ? "banner.kept" : "banner.safe")}
      </span>
      <button type="button" onClick={connection.again}>
        {t("banner.now")}
      </button>
    </div>
  );
}
