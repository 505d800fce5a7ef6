import { Navigate } from "react-router";

import { useRoomConnection, useSession } from "../../match/hooks";
import { CloseCode } from "../../protocol/generated";
import { useText } from "../../text";
import { Button, LinkButton } from "../../ui/Button";
import { EmptyState } from "../../ui/EmptyState";
import { Page } from "../../ui/Page";
import { TopBar } from "../../ui/TopBar";

/** The connection ended for good: why, and what a person can do. */
export function Stopped({ code: room }: { readonly code: string }) {
  const t = useText();
  const connection = useRoomConnection();
  const link = useSession((session) => session.link);
  if (link.is !== "stopped") return null;
  const { code, reason } = link;
  if (code === CloseCode.NORMAL) return <Navigate to="/" replace />;
  if (code === CloseCode.REFUSED && reason === "unauthenticated")
    return <Navigate to={`/j/${room}`} replace />;
  const home = <LinkButton to="/">{t("home")}</LinkButton>;
  const show = (title: string, more: string, actions: React.ReactNode) => (
    <Page title={title} layout="column" bar={<TopBar />}>
      <EmptyState size="whole" title={title} actions={actions}>
        {more}
      </EmptyState>
    </Page>
  );
  switch (code) {
    case CloseCode.REPLACED:
      return show(
        t("stopped.replaced"),
        t("stopped.replaced.more"),
        <>
          <Button kind="primary" onClick={connection.again}>
            {t("stopped.here")}
          </Button>
          {home}
        </>,
      );
    case CloseCode.REFUSED: {
      const why = reason.replace(/^room_/, "");
      return show(
        t.code("stopped.refused", why, "stopped.refused"),
        t("stopped.refused.more"),
        <>
          {why !== "banned" && (
            <LinkButton to={`/screen/${room}`} kind="primary">
              {t("screen.watch")}
            </LinkButton>
          )}
          {home}
        </>,
      );
    }
    case CloseCode.KICKED:
      return show(t("stopped.kicked"), t("stopped.kicked.more"), home);
    case CloseCode.ROOM_CLOSED:
      return show(t("stopped.closed"), t("stopped.closed.more"), home);
    case CloseCode.ROOM_NOT_FOUND:
      return show(
        t("room.unknown"),
        t("room.unknown.more"),
        <LinkButton to="/" kind="primary">
          {t("code.another")}
        </LinkButton>,
      );
    default:
      return show(
        t("stopped.failed"),
        t("stopped.failed.more", { code: String(code) }),
        <>
          <Button kind="primary" onClick={connection.again}>
            {t("again")}
          </Button>
          {home}
        </>,
      );
  }
}
