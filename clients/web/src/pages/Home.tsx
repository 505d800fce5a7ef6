import { useQuery } from "@tanstack/react-query";
import { ArrowRight, Lock, Users } from "lucide-react";
import { useState, type SyntheticEvent } from "react";
import { Link, useNavigate } from "react-router";

import * as api from "../api/client";
import { becomePlayer, cleanName, roomsQuery, useIdentity } from "../api/hooks";
import type { RoomCard } from "../api/types";
import { normaliseCode, typedCode } from "../lib/codes";
import { keepPersona, persona, type Persona } from "../lib/names";
import { useText } from "../text";
import { Button, LinkButton } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";
import { Field } from "../ui/Field";
import { Page } from "../ui/Page";
import { ANSWERS, Shape } from "../ui/Shape";
import { AppBar } from "./AppBar";
import { PersonaField } from "./PersonaField";
import { useAction } from "./useAction";
import "./Home.css";

export function Home() {
  const t = useText();
  const identity = useIdentity();
  return (
    <Page title="" layout="wide" bar={<AppBar identity={identity} />}>
      <div className="home">
        <section className="home-words">
          <Stage />
          <h1>{t("home.title")}</h1>
          <p>{t("home.lead")}</p>
        </section>
        {/* Whoever is here already has a name: the form starts from it once it is known. */}
        <PlayForm key={identity.is === "somebody" ? identity.me.id : "new"} />
      </div>
      <OpenRooms />
    </Page>
  );
}

function PlayForm() {
  const t = useText();
  const identity = useIdentity();
  const navigate = useNavigate();
  const { busy, problem, words, run, clear } = useAction();
  const me = identity.is === "somebody" ? identity.me : null;
  const [who, setWho] = useState(() => (me ? { name: me.name, avatar: me.avatar } : persona()));
  const [code, setCode] = useState("");
  const [badCode, setBadCode] = useState(false);
  const aboutCode = badCode || problem?.code === "room_not_found";

  /** Whoever goes on to host a game is the same person there. */
  const become = (next: Persona): void => {
    setWho(next);
    const name = cleanName(next.name);
    if (name !== "") keepPersona({ ...next, name });
  };
  const begin = async (): Promise<void> => {
    const named = { ...who, name: cleanName(who.name) || persona().name };
    await becomePlayer(identity, named.name, named.avatar);
    keepPersona(named);
  };
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const meant = code === "" ? null : normaliseCode(code);
    if (code !== "" && meant === null) {
      setBadCode(true);
      return;
    }
    void run(async () => {
      if (meant !== null) await api.roomCard(meant);
      await begin();
      await navigate(`/r/${meant ?? (await anyRoom())}`);
    });
  };
  return (
    <form className="home-form" onSubmit={submit} noValidate aria-label={t("home.form")}>
      {me?.kind !== "account" && <PersonaField value={who} onChange={become} />}
      <Field
        label={t("code")}
        look="code"
        name="code"
        placeholder="······"
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
        enterKeyHint="go"
        value={code}
        error={aboutCode ? t(badCode ? "code.bad" : "problem.room_not_found") : undefined}
        hint={t("code.hint")}
        onChange={(event) => {
          setCode(typedCode(event.target.value));
          setBadCode(false);
          clear();
        }}
      />
      {words && !aboutCode && (
        <p className="field-error" role="alert">
          {words}
        </p>
      )}
      <Button type="submit" kind="primary" size="large" wide busy={busy}>
        {t(code === "" ? "play.now" : "join.room")}
      </Button>
      <LinkButton to="/host" size="large" wide>
        {t("host.game")}
      </LinkButton>
    </form>
  );
}

/** Somewhere to play at once: an open lobby with people, else a new public room. */
async function anyRoom(): Promise<string> {
  const { rooms } = await api.publicRooms();
  const open = rooms.filter(isOpen).sort((a, b) => b.players - a.players)[0];
  if (open) return open.code;
  const made = await api.createRoom({ mode: "trivia", settings: {}, public: true, title: "" });
  return made.code;
}

const isOpen = (room: RoomCard): boolean =>
  room.state === "open" && !room.locked && room.players < room.seats_max && room.phase !== "closed";

function OpenRooms() {
  const t = useText();
  const { data, isPending, isError, refetch } = useQuery(roomsQuery);
  return (
    <section className="rooms" aria-labelledby="rooms-title">
      <h2 id="rooms-title">{t("rooms.title")}</h2>
      {isPending && (
        <ul className="rooms-list" aria-busy="true" aria-label={t("loading")}>
          {[0, 1, 2].map((row) => (
            <li key={row} className="room-card room-ghost" />
          ))}
        </ul>
      )}
      {isError && (
        <EmptyState
          title={t("rooms.failed")}
          tone="trouble"
          actions={<Button onClick={() => void refetch()}>{t("again")}</Button>}
        >
          {t("rooms.failed.more")}
        </EmptyState>
      )}
      {data?.rooms.length === 0 && (
        <EmptyState title={t("rooms.none")} actions={<LinkButton to="/host">{t("host.game")}</LinkButton>}>
          {t("rooms.none.more")}
        </EmptyState>
      )}
      {data && data.rooms.length > 0 && (
        <ul className="rooms-list">
          {data.rooms.map((room) => (
            <li key={room.code}>
              <Link to={`/j/${room.code}`} className="room-card">
                <span className="room-words">
                  <b>{room.title || t("room.of", { name: room.host_name })}</b>
                  <span>
                    {t.code("mode", room.mode, "mode.other")} · {t.code("phase", room.phase, "phase.lobby")}
                  </span>
                </span>
                <span className="room-count figures">
                  {room.locked ? (
                    <Lock size="1em" aria-label={t("room.locked")} />
                  ) : (
                    <Users size="1em" aria-hidden="true" />
                  )}
                  <span className="sr-only">{t("players", { n: room.players })}</span>
                  <span aria-hidden="true">{room.players}</span>
                </span>
                <ArrowRight size="1.2em" aria-hidden="true" />
              </Link>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** The four answers under the light. */
function Stage() {
  return (
    <div className="stage" aria-hidden="true">
      {ANSWERS.slice(0, 4).map(({ colour }) => (
        <span key={colour} className={`stage-${colour}`}>
          <Shape colour={colour} size="100%" />
        </span>
      ))}
    </div>
  );
}
