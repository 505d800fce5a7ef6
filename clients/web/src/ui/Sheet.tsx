import { X } from "lucide-react";
import type { ReactNode } from "react";
import { Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";

import { useText } from "../text";
import { IconButton } from "./Button";
import "./Sheet.css";

interface Props {
  readonly title: string;
  readonly open: boolean;
  readonly onOpenChange: (open: boolean) => void;
  /** side: settings and lists · middle: a question to answer. */
  readonly place?: "side" | "middle";
  readonly children: ReactNode;
}

/** A dialog: traps focus, gives it back, closes by Escape and by a press beside it. */
export function Sheet({ title, open, onOpenChange, place = "side", children }: Props) {
  const t = useText();
  return (
    <ModalOverlay
      isOpen={open}
      onOpenChange={onOpenChange}
      isDismissable
      className={`sheet-veil sheet-veil-${place}`}
    >
      <Modal className={`sheet sheet-${place}`}>
        <Dialog className="sheet-dialog">
          <header className="sheet-head">
            <Heading slot="title" className="sheet-title">
              {title}
            </Heading>
            <IconButton label={t("close")} onClick={() => onOpenChange(false)}>
              <X aria-hidden="true" />
            </IconButton>
          </header>
          <div className="sheet-body">{children}</div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
