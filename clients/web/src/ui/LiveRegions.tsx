import { useSyncExternalStore } from "react";

import { announcements, onAnnouncement } from "./announce";

/** Once, at the root. */
export function LiveRegions() {
  const { polite, assertive } = useSyncExternalStore(onAnnouncement, announcements);
  return (
    <div className="sr-only">
      <div aria-live="polite" role="status" data-testid="live-polite">
        {polite}
      </div>
      <div aria-live="assertive" role="alert" data-testid="live-assertive">
        {assertive}
      </div>
    </div>
  );
}
