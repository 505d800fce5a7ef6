import { Check, Copy, Share2 } from "lucide-react";
import { useEffect, useState } from "react";

import { useText } from "../text";
import { announce } from "./announce";
import { Button } from "./Button";
import "./CodeBadge.css";

/** The room's code, in two groups of three: read aloud it is six letters. */
export function CodeBadge({
  code,
  size = "normal",
}: {
  readonly code: string;
  readonly size?: "normal" | "huge";
}) {
  const t = useText();
  return (
    <p className={`code code-${size}`}>
      <span className="sr-only">{t("code.read", { code: code.split("").join(" ") })}</span>
      <span aria-hidden="true" data-testid="room-code">
        {code.slice(0, 3)}
        <span className="code-gap" />
        {code.slice(3)}
      </span>
    </p>
  );
}

/** Share the link by what the device offers; copying is the fallback that always works. */
export function ShareLink({ link, title }: { readonly link: string; readonly title: string }) {
  const t = useText();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  // Typed as always there; neither exists on plain http.
  const share = (navigator as Partial<Navigator>).share;
  if (share) {
    const offer = (): void => {
      // A person who closes the share sheet has changed their mind: nothing to say.
      navigator.share({ title, url: link }).catch(() => undefined);
    };
    return (
      <Button icon={<Share2 size="1.2em" aria-hidden="true" />} onClick={offer}>
        {t("share")}
      </Button>
    );
  }
  const copy = async (): Promise<void> => {
    if (await copyText(link)) {
      setCopied(true);
      announce(t("copied"));
    }
  };
  return (
    <Button
      icon={copied ? <Check size="1.2em" aria-hidden="true" /> : <Copy size="1.2em" aria-hidden="true" />}
      onClick={() => void copy()}
    >
      {copied ? t("copied") : t("copy.link")}
    </Button>
  );
}

export async function copyText(text: string): Promise<boolean> {
  const clipboard = (navigator as Partial<Navigator>).clipboard;
  try {
    if (clipboard) {
      await clipboard.writeText(text);
      return true;
    }
  } catch {
    // Refused; the old way may still work.
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  document.body.append(area);
  area.select();
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- the only way to copy on plain http
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
