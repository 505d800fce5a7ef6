import { useIdentity } from "../api/hooks";
import { useText } from "../text";
import { LinkButton } from "../ui/Button";
import { EmptyState } from "../ui/EmptyState";
import { Page } from "../ui/Page";
import { AppBar } from "./AppBar";

export function NotFound() {
  const t = useText();
  return (
    <Page title={t("lost.title")} bar={<AppBar identity={useIdentity()} />}>
      <EmptyState
        size="whole"
        title={t("lost.title")}
        actions={
          <LinkButton to="/" kind="primary">
            {t("home")}
          </LinkButton>
        }
      >
        {t("lost.more")}
      </EmptyState>
    </Page>
  );
}
