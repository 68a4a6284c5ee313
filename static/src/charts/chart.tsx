import type { ComponentChildren } from "preact";
import { useContext, useRef, useState } from "preact/hooks";
import { Card } from "../ui/card.tsx";
import { Nothing } from "../ui/states.tsx";
import { type Measure, ZONE, stepText } from "../view/format.ts";
import { BeginningContext, drawable } from "../view/steps.ts";
import { type Drawn, Legend, type Line, Plot, colorOf } from "./plot.tsx";

interface Props {
  title: string;
  starts: string[];
  lines: Line[];
  step: string;
  measure: Measure;
  stacked?: boolean;
  height?: number;
  note?: ComponentChildren;
  /** What of the card's head comes before all else, such as a choice. */
  before?: ComponentChildren;
}

/** Lines over time in a card of their own, which can be saved and read as a table. A click on a line's name in the legend hides it. */
export function Chart({ title, starts, lines: given, step, measure, stacked = false, height = 240, note, before }: Props) {
  const drawn = useRef<Drawn>(null);
  const began = useContext(BeginningContext);
  const lines = given.map((line) => ({ ...line, values: drawable(line.values, line.starts ?? starts, step, began) }));
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const table = () => ({
    columns: [`from (${ZONE})`, ...lines.map(({ label }) => label)],
    rows: starts.map((start, place) => [start, ...lines.map(({ values }) => values[place])]),
  });
  const toggle = (label: string) => {
    const next = new Set(hidden);
    if (!next.delete(label)) next.add(label);
    setHidden(next);
  };
  const colored = lines.map((line, place) => ({ ...line, color: line.color ?? `c${(place % 8) + 1}` }));
  const shown = colored.filter(({ label }) => !hidden.has(label));
  const [first, last] = [starts[0], starts.at(-1)];
  const label = first && last ? `${title}: ${shown.map((line) => line.label).join(", ")}, ${stepText(first, step)} to ${stepText(last, step)}, ${ZONE}` : title;
  const picture = () => {
    const canvas = drawn.current?.canvas();
    return canvas ? { canvas, note: ZONE, legend: shown.map((line) => ({ label: line.label, color: colorOf(line) })) } : null;
  };
  return (
    <Card title={title} note={note} table={table} picture={picture} wide>
      {before}
      {lines.every(({ values }) => values.every((value) => !value)) ? (
        <Nothing height={height}>Nothing in this period.</Nothing>
      ) : (
        <>
          {lines.length > 1 && <Legend lines={colored} hidden={hidden} toggle={toggle} />}
          <Plot starts={starts} lines={shown} step={step} measure={measure} stacked={stacked} height={height} label={label} handle={drawn} />
        </>
      )}
    </Card>
  );
}
