import { Crown, EllipsisVertical, ShieldMinus, ShieldPlus, UserX } from "lucide-react";
import { useState } from "react";

import { useAsk, useIsHost, useMayHost, useMySeat, useSeats } from "../../match/hooks";
import type { SeatView } from "../../protocol/generated";
import { useText } from "../../text";
import { ActionMenu, type Action } from "../../ui/ActionMenu";
import { PlayerChip } from "../../ui/PlayerChip";
import { Confirm } from "./RoomBar";
import "./People.css";

/** Everybody with a seat, and what a host may do about each. */
export function People() {
  const t = useText();
  const people = useSeats();
  const mine = useMySeat();
  const [kicking, setKicking] = useState<number | null>(null);
  const ask = useAsk();
  const name = people.find(([seat]) => seat === kicking)?.[1].name ?? "";
  return (
    <>
      <ul className="people" aria-label={t("people")}>
        {people.map(([seat, one]) => (
          <li key={seat}>
            <PlayerChip
              name={one.name}
              avatar={one.avatar}
              me={seat === mine}
              host={one.role === "host"}
              cohost={one.role === "cohost"}
              bot={one.kind === "bot"}
              here={one.here}
              playing={one.playing}
              done={one.ready}
              doneLabel={t("ready")}
            >
              {seat !== mine && <HostMenu seat={seat} one={one} onKick={() => setKicking(seat)} />}
            </PlayerChip>
          </li>
        ))}
      </ul>
      <Confirm
        title={t("kick.sure", { name })}
        more={t("kick.more")}
        yes={t("kick")}
        open={kicking !== null}
        onClose={() => setKicking(null)}
        onYes={() => {
          if (kicking !== null) ask({ t: "room.kick", seat: kicking });
        }}
      />
    </>
  );
}

function HostMenu({ seat, one, onKick }: { seat: number; one: SeatView; onKick: () => void }) {
  const t = useText();
  const ask = useAsk();
  const isHost = useIsHost();
  const mayHost = useMayHost();
  if (!mayHost || one.role === "host") return null;
  const actions: Action[] = [];
  if (isHost) {
    const cohost = one.role === "cohost";
    actions.push(
      {
        id: "host",
        label: t("make.host"),
        icon: <Crown size={20} aria-hidden="true" />,
        run: () => ask({ t: "room.host", seat }),
      },
      {
        id: "cohost",
        label: t(cohost ? "unmake.cohost" : "make.cohost"),
        icon: cohost ? (
          <ShieldMinus size={20} aria-hidden="true" />
        ) : (
          <ShieldPlus size={20} aria-hidden="true" />
        ),
        run: () => ask({ t: "room.cohost", seat, cohost: !cohost }),
      },
    );
  }
  actions.push({
    id: "kick",
    label: t("kick"),
    tone: "danger",
    icon: <UserX size={20} aria-hidden="true" />,
    run: onKick,
  });
  return (
    <ActionMenu label={t("person.menu", { name: one.name })} actions={actions}>
      <EllipsisVertical size={20} aria-hidden="true" />
    </ActionMenu>
  );
}
