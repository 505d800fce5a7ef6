import { LogOut } from "lucide-react";
import { useState, type SyntheticEvent } from "react";

import * as api from "../api/client";
import { cleanName, useIdentity } from "../api/hooks";
import type { Me } from "../api/types";
import { keepPersona, persona, type Persona } from "../lib/names";
import { useText } from "../text";
import { Avatar } from "../ui/Avatar";
import { Button } from "../ui/Button";
import { Segmented } from "../ui/Choice";
import { Field } from "../ui/Field";
import { Page } from "../ui/Page";
import { toast } from "../ui/toasts";
import { AppBar } from "./AppBar";
import { PersonaField } from "./PersonaField";
import { useAction } from "./useAction";
import "./Account.css";

export function Account() {
  const t = useText();
  const identity = useIdentity();
  const me = identity.is === "somebody" ? identity.me : null;
  return (
    <Page title={t("account")} bar={<AppBar identity={identity} />}>
      <div className="account">
        {identity.is === "unknown" ? (
          <p className="muted" role="status">
            {t("loading")}
          </p>
        ) : me?.kind === "account" ? (
          <Member me={me} />
        ) : (
          <Newcomer guest={me} />
        )}
      </div>
    </Page>
  );
}

function Newcomer({ guest }: { readonly guest: Me | null }) {
  const t = useText();
  const [way, setWay] = useState<"register" | "login">("register");
  const { busy, words, run, clear } = useAction();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void run(async () => {
      if (way === "login") {
        await api.login(username.trim(), password);
        return;
      }
      const who = guest ?? persona();
      const me = await api.register({
        username: username.trim(),
        password,
        name: who.name,
        avatar: who.avatar,
      });
      toast(t("account.welcome", { name: me.name }));
    });
  };
  return (
    <>
      <div className="account-head">
        <h1>{t(guest ? "account.keep" : "account")}</h1>
        <p className="muted">{t(guest ? "account.keep.more" : "account.more")}</p>
      </div>
      {guest && (
        <p className="account-me">
          <Avatar avatar={guest.avatar} size={56} />
          <span>
            <b>{guest.name}</b>
            <span className="muted">{t("account.guest")}</span>
          </span>
        </p>
      )}
      <form className="account-form" onSubmit={submit} noValidate>
        <Segmented
          label={t("account.way")}
          value={way}
          onChange={(next) => {
            setWay(next);
            clear();
          }}
          options={[
            { value: "register", label: t("account.register") },
            { value: "login", label: t("account.signIn") },
          ]}
        />
        <Field
          label={t("username")}
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          value={username}
          required
          onChange={(event) => setUsername(event.target.value)}
        />
        <Field
          label={t("password")}
          type="password"
          name="password"
          autoComplete={way === "login" ? "current-password" : "new-password"}
          value={password}
          required
          hint={way === "register" ? t("password.hint") : undefined}
          error={words}
          onChange={(event) => setPassword(event.target.value)}
        />
        <Button
          type="submit"
          kind="primary"
          size="large"
          wide
          busy={busy}
          disabled={username === "" || password === ""}
        >
          {t(way === "login" ? "account.signIn" : "account.register")}
        </Button>
      </form>
      {guest && <SignOut warning={t("account.guest.leave")} />}
    </>
  );
}

function Member({ me }: { readonly me: Me }) {
  const t = useText();
  return (
    <>
      <div className="account-head">
        <h1>{t("account.hello", { name: me.name })}</h1>
        <p className="muted">{t("account.signedInAs", { name: me.username ?? me.name })}</p>
      </div>
      <ProfileForm me={me} />
      <PasswordForm />
      <SignOut />
    </>
  );
}

function ProfileForm({ me }: { readonly me: Me }) {
  const t = useText();
  const { busy, words, run } = useAction();
  const [who, setWho] = useState<Persona>({ name: me.name, avatar: me.avatar });
  const same = cleanName(who.name) === me.name && who.avatar === me.avatar;
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void run(async () => {
      const next = { name: cleanName(who.name), avatar: who.avatar };
      await api.changeMe(next);
      keepPersona(next);
      toast(t("saved"));
    });
  };
  return (
    <form className="account-form" onSubmit={submit} noValidate aria-label={t("profile")}>
      <h2>{t("profile")}</h2>
      <PersonaField value={who} onChange={setWho} error={words} />
      <Button type="submit" busy={busy} disabled={same || cleanName(who.name) === ""}>
        {t("save")}
      </Button>
    </form>
  );
}

function PasswordForm() {
  const t = useText();
  const { busy, words, run } = useAction();
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    void run(async () => {
      await api.changePassword(old, fresh);
      setOld("");
      setFresh("");
      toast(t("password.changed"));
    });
  };
  return (
    <form className="account-form" onSubmit={submit} noValidate aria-label={t("password.change")}>
      <h2>{t("password.change")}</h2>
      <Field
        label={t("password.old")}
        type="password"
        autoComplete="current-password"
        value={old}
        onChange={(event) => setOld(event.target.value)}
      />
      <Field
        label={t("password.new")}
        type="password"
        autoComplete="new-password"
        value={fresh}
        hint={t("password.hint")}
        error={words}
        onChange={(event) => setFresh(event.target.value)}
      />
      <Button type="submit" busy={busy} disabled={old === "" || fresh === ""}>
        {t("password.change")}
      </Button>
    </form>
  );
}

function SignOut({ warning }: { readonly warning?: string }) {
  const t = useText();
  const { busy, words, run } = useAction();
  return (
    <div className="account-out">
      {warning && <p className="muted small">{warning}</p>}
      <Button
        kind="quiet"
        busy={busy}
        icon={<LogOut size="1.2em" aria-hidden="true" />}
        onClick={() => void run(api.logout)}
      >
        {t("account.signOut")}
      </Button>
      {words && (
        <p className="field-error" role="alert">
          {words}
        </p>
      )}
    </div>
  );
}
