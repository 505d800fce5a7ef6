import { X } from "lucide-react";
import { useEffect, useSyncExternalStore } from "react";

import { useText } from "../text";
import { announce } from "./announce";
import { IconButton } from "./Button";
import { currentToasts, dismiss, onToast } from "./toasts";
import "./Toasts.css";

/** Once, at the root. The live regions read them: a toast takes no focus. */
export function Toasts() {
  const t = useText();
  const toasts = useSyncExternalStore(onToast, currentToasts);
  const newest = toasts.at(-1);
  useEffect(() => {
    if (newest) announce(newest.text);
  }, [newest]);
  return (
    <ol className="toasts">
      {toasts.map((one) => (
        <li key={one.id} className={`toast toast-${one.tone}`}>
          <span>{one.text}</span>
          <IconButton label={t("close")} onClick={() => dismiss(one.id)}>
            <X size={18} aria-hidden="true" />
          </IconButton>
        </li>
      ))}
    </ol>
  );
}
