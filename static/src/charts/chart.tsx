import type { ComponentChildren } from "preact";
import { useContext, useRef, useState } from "preact/hooks";
import { Card } from "../ui/card.tsx";
import { EmptyState } from "../ui/states.tsx";
import { type Measure, ZONE, stepText } from "../view/format.ts";
import { boundsOf } from "../view/period.ts";
import { useView } from "../view/state.ts";
import { FirstEventContext, drawableValues, incompleteSteps } from "../view/steps.ts";
import { type PlotHandle, Legend, type Line, Plot, colorOf } from "./plot.tsx";

interface Props {
  title: string;
  starts: string[];
  lines: Line[];
  step: string;
  measure: Measure;
  stacked?: boolean;
  height?: number;
  /** The values of steps that the period cuts are those of whole steps. */
  whole?: boolean;
  note?: ComponentChildren;
  /** Content above the chart, such as a selector. */
  before?: ComponentChildren;
  /** Address of the chart's question on the Explore page. */
  explore?: string | undefined;
}

/** A card with a time series chart, which readers can save or view as a table. A click on a legend entry hides its line. */
export function Chart({ title, starts, lines: rawLines, step, measure, stacked = false, height = 240, whole = false, note, before, explore }: Props) {
  const plotHandle = useRef<PlotHandle>(null);
  const firstEventAt = useContext(FirstEventContext);
  const { span } = useView();
  const lines = rawLines.map((line) => ({ ...line, values: drawableValues(line.values, line.starts ?? starts, step, firstEventAt) }));
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
    const canvas = plotHandle.current?.canvas();
    return canvas ? { canvas, note: ZONE, legend: shown.map((line) => ({ label: line.label, color: colorOf(line) })) } : null;
  };
  return (
    <Card title={title} note={note} table={table} picture={picture} explore={explore} wide>
      {before}
      {lines.every(({ values }) => values.every((value) => !value)) ? (
        <EmptyState height={height}>No data in this period.</EmptyState>
      ) : (
        <>
          {lines.length > 1 && <Legend lines={colored} hidden={hidden} toggle={toggle} />}
          <Plot starts={starts} lines={shown} step={step} measure={measure} stacked={stacked} incomplete={incompleteSteps(starts, step, whole ? null : boundsOf(span))} height={height} label={label} handle={plotHandle} />
        </>
      )}
    </Card>
  );
}
