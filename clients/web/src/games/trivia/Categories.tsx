import { useQuery } from "@tanstack/react-query";

import { categoriesQuery } from "../../api/hooks";
import { useText } from "../../text";
import type { OwnFieldProps } from "../game";

/** Which categories the questions come from; none chosen means any. */
export function Categories({ label, hint, value, onChange, disabled }: OwnFieldProps) {
  const t = useText();
  const { data: categories } = useQuery(categoriesQuery);
  const chosen = Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
  const toggle = (slug: string): void =>
    onChange(chosen.includes(slug) ? chosen.filter((one) => one !== slug) : [...chosen, slug]);
  return (
    <fieldset className="trivia-categories" disabled={disabled}>
      <legend>{label}</legend>
      {hint && <p className="muted small">{hint}</p>}
      <label className="trivia-category">
        <input type="checkbox" checked={chosen.length === 0} onChange={() => onChange([])} />
        <span>{t("trivia.category.any")}</span>
      </label>
      {(categories ?? []).map((category) => (
        <label key={category.slug} className="trivia-category">
          <input
            type="checkbox"
            checked={chosen.includes(category.slug)}
            onChange={() => toggle(category.slug)}
          />
          <span>
            {category.name} <span className="muted figures">{t.number(category.questions)}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
