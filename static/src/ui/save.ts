// Export of a card's content: tables as CSV, charts as PNG.

export interface Table {
  columns: string[];
  rows: (string | number | null | undefined)[][];
}

/** Formats a CSV cell. Escapes text that a spreadsheet would run as a formula. */
function cell(value: string | number | null | undefined): string {
  if (value == null) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csv = ({ columns, rows }: Table): string => [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");

export function save(name: string, body: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(body);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const saveCsv = (name: string, table: Table): void => save(`${name}.csv`, new Blob([csv(table)], { type: "text/csv" }));

const styled = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A canvas with its legend. */
export interface Picture {
  canvas: HTMLCanvasElement;
  legend?: { label: string; color: string }[];
  /** Text beside the title, such as the time zone. */
  note?: string;
}

/** Saves a chart with its title and legend as PNG. */
export function savePng(name: string, title: string, { canvas: chart, legend = [], note = "" }: Picture): void {
  const ratio = devicePixelRatio;
  const head = Math.round((legend.length > 1 ? 66 : 42) * ratio);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [chart.width + 32 * ratio, chart.height + head + 16 * ratio];
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.fillStyle = styled("--raised");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = styled("--ink");
  pen.font = `600 ${15 * ratio}px ${styled("--sans")}`;
  pen.fillText(title, 16 * ratio, 26 * ratio);
  pen.fillStyle = styled("--soft");
  pen.font = `${12 * ratio}px ${styled("--sans")}`;
  pen.textAlign = "right";
  pen.fillText(note, canvas.width - 16 * ratio, 26 * ratio);
  pen.textAlign = "left";
  if (legend.length > 1) drawLegend(pen, legend, ratio);
  pen.drawImage(chart, 16 * ratio, head);
  canvas.toBlob((blob) => blob && save(`${name}.png`, blob));
}

function drawLegend(pen: CanvasRenderingContext2D, legend: NonNullable<Picture["legend"]>, ratio: number): void {
  pen.font = `${12 * ratio}px ${styled("--sans")}`;
  let left = 16 * ratio;
  for (const { label, color } of legend) {
    pen.fillStyle = color;
    pen.fillRect(left, 41 * ratio, 10 * ratio, 10 * ratio);
    pen.fillStyle = styled("--soft");
    pen.fillText(label, left + 15 * ratio, 50 * ratio);
    left += 33 * ratio + pen.measureText(label).width;
  }
}

/** Draws a table as labeled bars; the second column must be a number. For charts rendered as HTML. */
export function barsOf({ rows }: Table, figure: (value: number) => string = String): Picture {
  const ratio = devicePixelRatio;
  const [width, height] = [640, 28];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width * ratio, Math.max(1, rows.length) * height * ratio];
  const pen = canvas.getContext("2d");
  if (!pen) return { canvas };
  pen.scale(ratio, ratio);
  pen.font = `13px ${styled("--sans")}`;
  const most = Math.max(1, ...rows.map((row) => Number(row[1] ?? 0)));
  rows.forEach(([label, value], place) => {
    const top = place * height;
    pen.fillStyle = styled("--bar");
    pen.fillRect(0, top + 2, Math.max(2, (Number(value ?? 0) / most) * (width - 90)), height - 4);
    pen.fillStyle = styled("--ink");
    pen.fillText(String(label ?? ""), 8, top + 19, width - 110);
    pen.textAlign = "right";
    pen.fillText(figure(Number(value ?? 0)), width - 4, top + 19);
    pen.textAlign = "left";
  });
  return { canvas };
}

/** Draws a heat map; shares are 0 to 1, or null for no cell. */
export function cellsOf(rows: { label: string; shares: (number | null)[] }[], figure: (share: number) => string): Picture {
  const ratio = devicePixelRatio;
  const [side, head, height] = [56, 130, 30];
  const wide = Math.max(1, ...rows.map(({ shares }) => shares.length));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [(head + wide * side) * ratio, Math.max(1, rows.length) * height * ratio];
  const pen = canvas.getContext("2d");
  if (!pen) return { canvas };
  pen.scale(ratio, ratio);
  pen.font = `12px ${styled("--sans")}`;
  rows.forEach(({ label, shares }, y) => {
    pen.globalAlpha = 1;
    pen.fillStyle = styled("--ink");
    pen.fillText(label, 0, y * height + 19, head - 8);
    shares.forEach((share, x) => {
      if (share == null) return;
      pen.globalAlpha = 0.08 + 0.92 * share;
      pen.fillStyle = styled("--accent");
      pen.fillRect(head + x * side + 1, y * height + 1, side - 2, height - 2);
      pen.globalAlpha = 1;
      pen.fillStyle = share > 0.55 ? styled("--paper") : styled("--ink");
      pen.fillText(figure(share), head + x * side + 12, y * height + 19);
    });
  });
  return { canvas };
}
