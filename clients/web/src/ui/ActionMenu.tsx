import type { ReactNode } from "react";
import { Button as AriaButton, Menu, MenuItem, MenuTrigger, Popover } from "react-aria-components";

import "./ActionMenu.css";

export interface Action {
  readonly id: string;
  readonly label: string;
  readonly icon?: ReactNode;
  readonly tone?: "plain" | "danger";
  readonly run: () => void;
}

interface Props {
  readonly label: string;
  readonly actions: readonly Action[];
  readonly children: ReactNode;
}

/** A button that opens a menu of things to do. */
export function ActionMenu({ label, actions, children }: Props) {
  return (
    <MenuTrigger>
      <AriaButton className="icon-button" aria-label={label}>
        {children}
      </AriaButton>
      <Popover className="menu" placement="bottom end">
        <Menu className="menu-list" onAction={(id) => actions.find((one) => one.id === id)?.run()}>
          {actions.map((one) => (
            <MenuItem
              key={one.id}
              id={one.id}
              textValue={one.label}
              className={`menu-item menu-${one.tone ?? "plain"}`}
            >
              {one.icon}
              {one.label}
            </MenuItem>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}
