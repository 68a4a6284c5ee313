import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { Card } from "../ui/card.tsx";
import { Nothing } from "../ui/states.tsx";
import { stepText } from "../view/format.ts";
import { type Drawn, Legend, type Line, Plot } from "./plot.tsx";

interface Props {
  title: string;
  starts: string[];
  lines: Line[];
  step: string;
  figure: (value: number | null) => string;
  stacked?: boolean;
  height?: number;
  note?: ComponentChildren;
}

/** Lines over time in a card of their own, which can be saved and read as a table. */
export function Chart({ title, starts, lines, step, figure, stacked = false, height = 240, note }: Props) {
  const drawn = useRef<Drawn>(null);
  const table = () => ({
    columns: ["from", ...lines.map(({ label }) => label)],
    rows: starts.map((start, place) => [start, ...lines.map(({ values }) => values[place])]),
  });
  const [first, last] = [starts[0], starts.at(-1)];
  const label = first && last ? `${title}: ${lines.map((line) => line.label).join(", ")}, ${stepText(first, step)} to ${stepText(last, step)}` : title;
  return (
    <Card title={title} note={note} table={table} picture={() => drawn.current?.canvas() ?? null} wide>
      {lines.length === 0 || starts.length === 0 ? (
        <Nothing>Nothing in this period.</Nothing>
      ) : (
        <>
          <Legend lines={lines} />
          <Plot starts={starts} lines={lines} step={step} figure={figure} stacked={stacked} height={height} label={label} handle={drawn} />
        </>
      )}
    </Card>
  );
}
