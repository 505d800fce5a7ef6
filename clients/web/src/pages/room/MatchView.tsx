import { gameOf } from "../../games/registry";
import { useRoom } from "../../match/hooks";
import { useText } from "../../text";
import { EmptyState } from "../../ui/EmptyState";

export function MatchView() {
  const t = useText();
  const mode = useRoom((room) => room.mode);
  const there = useRoom((room) => room.game != null);
  const waiting = useRoom((room) => room.waiting_for != null);
  const game = gameOf(mode);
  if (!game)
    return (
      <EmptyState size="whole" title={t("mode.unknown")}>
        {t("mode.unknown.more")}
      </EmptyState>
    );
  if (!there) {
    return (
      <p className="entering" role="status">
        {t(waiting ? "countdown.waiting" : "loading")}
      </p>
    );
  }
  return <game.Play />;
}
