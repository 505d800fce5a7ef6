import { DoorOpen, EllipsisVertical, Flag, Languages, MonitorPlay, Pause, Users } from "lucide-react";
import { useState } from "react";

import { roundTrip } from "../../match/clock";
import { useAsk, useMayHost, useMySeat, useRoom, useSession } from "../../match/hooks";
import { LANGUAGES, setLanguage, useText, type Language } from "../../text";
import { ActionMenu, type Action } from "../../ui/ActionMenu";
import { Button } from "../../ui/Button";
import { ConnectionPill, type Quality } from "../../ui/ConnectionPill";
import { Sheet } from "../../ui/Sheet";
import { TopBar } from "../../ui/TopBar";
import { People } from "./People";

export function RoomBar() {
  const t = useText();
  const ask = useAsk();
  const code = useRoom((room) => room.code);
  const phase = useRoom((room) => room.phase);
  const paused = useRoom((room) => room.standstill?.kind === "paused");
  const seated = useMySeat() !== null;
  const mayHost = useMayHost();
  const [open, setOpen] = useState<"people" | "leave" | "end" | null>(null);
  const playing = phase === "match";

  const actions: Action[] = [
    {
      id: "people",
      label: t("people"),
      icon: <Users size={20} aria-hidden="true" />,
      run: () => setOpen("people"),
    },
    {
      id: "screen",
      label: t("screen.open"),
      icon: <MonitorPlay size={20} aria-hidden="true" />,
      run: () => window.open(`/screen/${code}`, "_blank", "noopener"),
    },
  ];
  for (const [id, label] of Object.entries(LANGUAGES)) {
    if (id === t.language) continue;
    actions.push({
      id: `language-${id}`,
      label,
      icon: <Languages size={20} aria-hidden="true" />,
      run: () => setLanguage(id as Language),
    });
  }
  if (mayHost && playing && !paused) {
    actions.push({
      id: "pause",
      label: t("pause"),
      icon: <Pause size={20} aria-hidden="true" />,
      run: () => ask({ t: "room.pause" }),
    });
  }
  if (mayHost && playing) {
    actions.push({
      id: "end",
      label: t("match.end"),
      tone: "danger",
      icon: <Flag size={20} aria-hidden="true" />,
      run: () => setOpen("end"),
    });
  }
  if (seated) {
    actions.push({
      id: "leave",
      label: t("leave"),
      tone: "danger",
      icon: <DoorOpen size={20} aria-hidden="true" />,
      run: () => setOpen("leave"),
    });
  }
  const close = (): void => setOpen(null);
  return (
    <>
      <TopBar
        leave={false}
        middle={
          <span className="room-code-small">
            <span className="sr-only">{t("code.read", { code: code.split("").join(" ") })}</span>
            <span aria-hidden="true">{code}</span>
          </span>
        }
        end={
          <>
            <Line />
            <ActionMenu label={t("room.menu")} actions={actions}>
              <EllipsisVertical size={20} aria-hidden="true" />
            </ActionMenu>
          </>
        }
      />
      <Sheet title={t("people")} open={open === "people"} onOpenChange={close}>
        <People />
      </Sheet>
      <Confirm
        title={t("leave.sure")}
        more={t(playing ? "leave.match" : "leave.lobby")}
        yes={t("leave")}
        open={open === "leave"}
        onClose={close}
        onYes={() => ask({ t: "room.leave" })}
      />
      <Confirm
        title={t("match.end.sure")}
        more={t("match.end.more")}
        yes={t("match.end")}
        open={open === "end"}
        onClose={close}
        onYes={() => ask({ t: "room.end" })}
      />
    </>
  );
}

interface ConfirmProps {
  readonly title: string;
  readonly more: string;
  readonly yes: string;
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onYes: () => void;
}

export function Confirm({ title, more, yes, open, onClose, onYes }: ConfirmProps) {
  const t = useText();
  return (
    <Sheet title={title} open={open} onOpenChange={onClose} place="middle">
      <div className="confirm">
        <p>{more}</p>
        <Button
          kind="danger"
          wide
          onClick={() => {
            onYes();
            onClose();
          }}
        >
          {yes}
        </Button>
        <Button kind="quiet" wide onClick={onClose}>
          {t("cancel")}
        </Button>
      </div>
    </Sheet>
  );
}

function Line() {
  const quality = useSession((session): Quality => {
    if (session.link.is !== "live") return "lost";
    const ms = roundTrip(session.clock);
    if (ms === null || ms < 150) return "good";
    return ms < 400 ? "fair" : "poor";
  });
  const ms = useSession((session) => roundTrip(session.clock));
  return <ConnectionPill quality={quality} ms={quality === "lost" ? null : ms} />;
}
