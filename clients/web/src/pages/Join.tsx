import { MonitorPlay, Users } from "lucide-react";
import { useState, type SyntheticEvent } from "react";
import { Navigate, useNavigate, useParams } from "react-router";

import { becomePlayer, cleanName, useIdentity, useRoomCard } from "../api/hooks";
import { Problem } from "../api/problem";
import type { Identity } from "../api/session";
import type { RoomCard } from "../api/types";
import { normaliseCode } from "../lib/codes";
import { keepPersona, persona } from "../lib/names";
import { useText } from "../text";
import { Avatar } from "../ui/Avatar";
import { Button, LinkButton } from "../ui/Button";
import { CodeBadge } from "../ui/CodeBadge";
import { EmptyState } from "../ui/EmptyState";
import { Page } from "../ui/Page";
import { AppBar } from "./AppBar";
import { PersonaField } from "./PersonaField";
import { useAction } from "./useAction";
import "./Join.css";

/** By link or QR code: what the room is, and one button. */
export function Join() {
  const t = useText();
  const identity = useIdentity();
  const { code: typed = "" } = useParams();
  const code = normaliseCode(typed);
  const { data: card, error, isPending, refetch } = useRoomCard(code ?? "");
  if (code !== null && typed !== code) return <Navigate to={`/j/${code}`} replace />;
  const missing = code === null || (error instanceof Problem && error.status === 404);
  return (
    <Page title={t("join.title", { code: code ?? "" })} bar={<AppBar identity={identity} />}>
      {missing ? (
        <EmptyState
          size="whole"
          title={t("room.unknown")}
          actions={
            <LinkButton to="/" kind="primary">
              {t("code.another")}
            </LinkButton>
          }
        >
          {t("room.unknown.more")}
        </EmptyState>
      ) : error && !card ? (
        <EmptyState
          size="whole"
          tone="trouble"
          title={t("server.silent")}
          actions={
            <Button kind="primary" onClick={() => void refetch()}>
              {t("again")}
            </Button>
          }
        >
          {t("server.silent.more")}
        </EmptyState>
      ) : isPending || identity.is === "unknown" ? (
        <p className="join-wait" role="status">
          {t("loading")}
        </p>
      ) : (
        <JoinForm code={code} card={card} identity={identity} />
      )}
    </Page>
  );
}

function JoinForm({ code, card, identity }: { code: string; card: RoomCard; identity: Identity }) {
  const t = useText();
  const navigate = useNavigate();
  const { busy, words, run } = useAction();
  const me = identity.is === "somebody" ? identity.me : null;
  const [who, setWho] = useState(() => (me ? { name: me.name, avatar: me.avatar } : persona()));
  const full = card.players >= card.seats_max;
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void run(async () => {
      const named = { ...who, name: cleanName(who.name) || persona().name };
      await becomePlayer(identity, named.name, named.avatar);
      keepPersona(named);
      await navigate(`/r/${code}`);
    });
  };
  return (
    <form className="join" onSubmit={submit} noValidate>
      <div className="join-room">
        <h1>{card.title || t("room.of", { name: card.host_name })}</h1>
        <CodeBadge code={code} />
        <p className="muted join-facts">
          <span>{t.code("mode", card.mode, "mode.other")}</span>
          <span>{t.code("phase", card.phase, "phase.lobby")}</span>
          <span>
            <Users size="1em" aria-hidden="true" /> {t("players", { n: card.players })}
          </span>
        </p>
      </div>
      {me?.kind === "account" ? (
        <p className="join-me">
          <Avatar avatar={me.avatar} size={48} /> <b>{me.name}</b>
        </p>
      ) : (
        <PersonaField value={who} onChange={setWho} />
      )}
      {(card.locked || full) && <p role="status">{t(full ? "room.full.watch" : "room.locked.watch")}</p>}
      {words && (
        <p className="field-error" role="alert">
          {words}
        </p>
      )}
      <Button type="submit" kind="primary" size="large" wide busy={busy}>
        {t("join.as", { name: cleanName(who.name) || "…" })}
      </Button>
      <LinkButton to={`/screen/${code}`} kind="quiet" icon={<MonitorPlay size="1.2em" aria-hidden="true" />}>
        {t("screen.watch")}
      </LinkButton>
    </form>
  );
}
