import { useMemo } from "react";
import qrcode from "qrcode-generator";

interface Props {
  readonly text: string;
  readonly label: string;
}

/** Dark on light in both themes: scanners want that. The quiet zone is part of the picture. */
export function QrCode({ text, label }: Props) {
  const { size, path } = useMemo(() => {
    const code = qrcode(0, "M");
    code.addData(text);
    code.make();
    const count = code.getModuleCount();
    let path = "";
    for (let row = 0; row < count; row++) {
      for (let column = 0; column < count; column++) {
        if (code.isDark(row, column)) path += `M${String(column + 3)} ${String(row + 3)}h1v1h-1z`;
      }
    }
    return { size: count + 6, path };
  }, [text]);
  return (
    <svg
      className="qr"
      viewBox={`0 0 ${String(size)} ${String(size)}`}
      role="img"
      aria-label={label}
      shapeRendering="crispEdges"
    >
      <rect width={size} height={size} rx="2" fill="#fff" />
      <path d={path} fill="#12131f" />
    </svg>
  );
}
