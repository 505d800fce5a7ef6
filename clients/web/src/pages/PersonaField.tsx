import { Dices } from "lucide-react";

import { newAvatar, type Persona } from "../lib/names";
import { LIMITS } from "../protocol/generated";
import { useText } from "../text";
import { Avatar } from "../ui/Avatar";
import { Field } from "../ui/Field";
import "./PersonaField.css";

interface Props {
  readonly value: Persona;
  readonly onChange: (value: Persona) => void;
  readonly error?: string | undefined;
}

/** A name and a face; both are there from the start. */
export function PersonaField({ value, onChange, error }: Props) {
  const t = useText();
  return (
    <Field
      label={t("name")}
      name="name"
      autoComplete="nickname"
      maxLength={LIMITS.NAME_CHARS_MAX}
      value={value.name}
      error={error}
      onChange={(event) => onChange({ ...value, name: event.target.value })}
      before={
        <button
          type="button"
          className="persona-face"
          aria-label={t("avatar.another")}
          title={t("avatar.another")}
          onClick={() => onChange({ ...value, avatar: newAvatar() })}
        >
          <Avatar avatar={value.avatar} size="2.75rem" />
          <span className="persona-dice">
            <Dices size={14} aria-hidden="true" />
          </span>
        </button>
      }
    />
  );
}
