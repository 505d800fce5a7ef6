import { CircleUserRound } from "lucide-react";
import { Link } from "react-router";

import type { Identity } from "../api/session";
import { useText } from "../text";
import { Avatar } from "../ui/Avatar";
import { TopBar } from "../ui/TopBar";
import "./AppBar.css";

/** The bar of every page outside a room. */
export function AppBar({ identity }: { readonly identity: Identity }) {
  const t = useText();
  const label =
    identity.is === "somebody" ? t("account.of", { name: identity.me.name }) : t("account.signIn");
  return (
    <TopBar
      end={
        <Link to="/account" className="app-me" aria-label={label} title={label}>
          {identity.is === "somebody" ? (
            <Avatar avatar={identity.me.avatar} size={34} />
          ) : (
            <CircleUserRound size={22} aria-hidden="true" />
          )}
        </Link>
      }
    />
  );
}
