import { useText } from "../../text";
import { Page } from "../../ui/Page";
import { ANSWERS, Shape } from "../../ui/Shape";
import { TopBar } from "../../ui/TopBar";

/** Between the tap and the first view. */
export function Entering() {
  const t = useText();
  return (
    <Page title={t("room.entering")} layout="stage" bar={<TopBar />}>
      <div className="entering" role="status">
        <span className="entering-shapes" aria-hidden="true">
          {ANSWERS.slice(0, 4).map(({ colour }) => (
            <Shape key={colour} colour={colour} size="1em" />
          ))}
        </span>
        <p>{t("room.entering")}</p>
      </div>
    </Page>
  );
}
