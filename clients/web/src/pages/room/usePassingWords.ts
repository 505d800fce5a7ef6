import { useCallback } from "react";

import { usePassing } from "../../match/hooks";
import type { Passing } from "../../match/connection";
import { useText } from "../../text";
import { toast } from "../../ui/toasts";

/** Refusals a person cannot do anything about, or that the screen shows anyway. */
const SILENT = new Set(["already_done"]);

/** Refusals and notices, as toasts. */
export function usePassingWords(): void {
  const t = useText();
  usePassing(
    useCallback(
      (passing: Passing) => {
        if (passing.is === "refused") {
          if (!SILENT.has(passing.code)) toast(t.code("refused", passing.code, "refused.other"), "trouble");
        } else if (passing.message.t === "notice") {
          const { code, text } = passing.message;
          const words = t.code("notice", code, "missing");
          toast(words === t("missing") ? (text ?? code) : words);
        }
      },
      [t],
    ),
  );
}
