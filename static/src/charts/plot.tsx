import type { Ref } from "preact";
import { useEffect, useImperativeHandle, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { type Measure, ZONE, stepText, tick } from "../view/format.ts";
import type { Incomplete } from "../view/steps.ts";
import { color, useTheme } from "./theme.ts";

export interface Line {
  label: string;
  values: (number | null)[];
  /** A CSS color variable; defaults to one by position. */
  color?: string;
  dashed?: boolean;
  filled?: boolean;
  /** Start times of the line's own steps, for a comparison with another period. */
  starts?: string[];
  /** Incomplete steps of a compared period, which has steps of its own. */
  incomplete?: Incomplete;
}

interface Props {
  starts: string[];
  lines: Line[];
  step: string;
  measure: Measure;
  /** Stacks the areas; the tooltip shows the value of each. */
  stacked?: boolean;
  incomplete: Incomplete;
  height?: number;
  label: string;
  handle?: Ref<PlotHandle>;
}

/** Imperative handle of a chart. */
export interface PlotHandle {
  canvas(): HTMLCanvasElement | null;
}

/** Lines or stacked areas over time, with a tooltip at the pointer. An incomplete step is dashed or hatched. */
export function Plot({ starts, lines, step, measure, stacked = false, incomplete, height = 240, label, handle }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [at, setAt] = useState<{ place: number; left: number } | null>(null);
  const theme = useTheme();
  const open = starts.length > 1 ? [...incomplete.keys()] : [];
  const shape = `${lines.map((line) => `${line.label}${line.dashed}${line.color}`).join()} ${stacked} ${open} ${step} ${theme} ${height} ${measure.axis(0)}`;
  const data = dataOf(starts, lines, stacked, open);

  useEffect(() => {
    const host = box.current;
    if (!host) return;
    const chart = new uPlot(optionsOf(host.clientWidth, height, lines, { stacked, open, step, measure }, setAt), data, host);
    plot.current = chart;
    const observer = new ResizeObserver(() => chart.setSize({ width: host.clientWidth, height }));
    observer.observe(host);
    return () => {
      observer.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => plot.current?.setData(data), [starts, lines]);
  useImperativeHandle(handle ?? null, () => ({ canvas: () => plot.current?.ctx.canvas ?? null }), []);

  return (
    <div class="plot" role="img" aria-label={label}>
      <div ref={box} style={{ minHeight: `${height}px` }} />
      {at && starts[at.place] && <Tip starts={starts} lines={lines} step={step} measure={measure} stacked={stacked} at={at} incomplete={incomplete} width={box.current?.clientWidth ?? 0} />}
    </div>
  );
}

type TipProps = Pick<Props, "starts" | "lines" | "step" | "measure" | "incomplete"> & { stacked: boolean; at: { place: number; left: number }; width: number };

/** Tooltip with the values at the pointer; stacked areas from top to bottom. */
function Tip({ starts, lines, step, measure, stacked, at: { place, left }, incomplete, width }: TipProps) {
  const shown = stacked ? lines.toReversed() : lines;
  const total = lines.reduce((sum, { values }) => sum + (values[place] ?? 0), 0);
  const name = (line: Line) => (line.starts?.[place] ? [stepText(line.starts[place], step), line.incomplete?.get(place)].filter(Boolean).join(", ") : line.label);
  return (
    <div class={left > width / 2 ? "tip left" : "tip"} style={{ left: `${left}px` }}>
      <strong>
        {stepText(starts[place] ?? "", step)} <small class="soft">{[ZONE, incomplete.get(place)].filter(Boolean).join(", ")}</small>
      </strong>
      {shown.map((line) => (
        <span key={line.label}>
          <i class={line.dashed ? "dashed" : ""} style={{ background: colorOf(line) }} /> {name(line)} <b>{measure.full(line.values[place] ?? null)}</b>
        </span>
      ))}
      {stacked && lines.length > 1 && (
        <span class="tip-total">
          Total <b>{measure.full(total)}</b>
        </span>
      )}
    </div>
  );
}

/** Legend whose entries toggle their lines. The last visible line cannot be hidden. */
export function Legend({ lines, hidden, toggle }: { lines: Line[]; hidden: ReadonlySet<string>; toggle: (label: string) => void }) {
  useTheme();
  return (
    <ul class="legend">
      {lines.map((line) => {
        const shown = !hidden.has(line.label);
        return (
          <li key={line.label}>
            <button type="button" aria-pressed={shown} disabled={shown && hidden.size === lines.length - 1} title={shown ? `Hide ${line.label}` : `Show ${line.label}`} onClick={() => toggle(line.label)}>
              <i class={line.dashed ? "dashed" : ""} style={{ background: colorOf(line) }} /> {line.label}
            </button>
          </li>
        );
      })}
    </ul>
  );
}

export const colorOf = (line: Line): string => color(line.color ?? "c1");

/** The step next to an incomplete one, to which its part of a line leads. */
const neighbor = (place: number): number => (place === 0 ? 1 : place - 1);

/** Data for each series of `optionsOf`. Each incomplete step has series of its own at the end. */
function dataOf(starts: string[], lines: Line[], stacked: boolean, open: number[]): uPlot.AlignedData {
  const times = starts.map((start) => Date.parse(start) / 1000);
  if (!stacked) {
    const whole = lines.map(({ values, dashed }) => times.map((_, place) => (!dashed && open.includes(place) ? null : (values[place] ?? null))));
    const solid = lines.filter(({ dashed }) => !dashed);
    const rest = open.flatMap((each) => solid.map(({ values }) => times.map((_, place) => (values[each] != null && (place === each || place === neighbor(each)) ? (values[place] ?? null) : null))));
    return [times, ...whole, ...rest] as uPlot.AlignedData;
  }
  const sums = times.map(() => 0);
  const piled = lines.map(({ values }) =>
    times.map((_, place) => {
      sums[place] = (sums[place] ?? 0) + (values[place] ?? 0);
      return lines.every((line) => line.values[place] == null) ? null : (sums[place] ?? 0);
    }),
  );
  return [times, ...piled.reverse()] as uPlot.AlignedData; // the top area is drawn first, the others over it
}

interface Look {
  stacked: boolean;
  /** Indexes of the incomplete steps. */
  open: number[];
  step: string;
  measure: Measure;
}
type Point = (at: { place: number; left: number } | null) => void;

function optionsOf(width: number, height: number, lines: Line[], { stacked, open, step, measure }: Look, point: Point): uPlot.Options {
  const grid = { stroke: color("line"), width: 1 };
  const font = `12px ${color("sans")}`;
  return {
    width,
    height,
    padding: [10, 26, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (_, least, most) => range(least, most, measure) } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    axes: [
      { stroke: color("soft"), font, grid: { show: false }, ticks: { show: false }, gap: 8, size: 28, splits: (self) => labeledSteps(self.data[0], step, Math.max(2, self.width / 84)), values: (_, times) => times.map((time) => tick(time * 1000, step)) },
      {
        stroke: color("soft"),
        font,
        grid,
        ticks: { show: false },
        space: 30,
        incrs: measure.steps,
        size: (_, values) => 14 + 7 * Math.max(2, ...(values ?? []).map((value) => value.length)),
        values: (_, values) => values.map((value) => measure.axis(value)),
      },
    ],
    series: [{}, ...seriesOf(lines, stacked, open)],
    hooks: {
      draw: stacked ? open.map((place) => (self: uPlot) => hatch(self, place)) : [],
      setCursor: [
        (self) => {
          const { idx, left } = self.cursor;
          point(idx == null || left == null || left < 0 ? null : { place: idx, left: left + self.over.offsetLeft });
        },
      ],
    },
  };
}

/** Hatches the part of stacked areas between an incomplete step and its neighbor. */
function hatch(self: uPlot, open: number): void {
  const [first, second] = [open, neighbor(open)].toSorted((one, other) => one - other) as [number, number];
  const [from, to] = [self.data[0]?.[first], self.data[0]?.[second]];
  const top = self.data[1] ?? []; // the top of the stack
  if (from === undefined || to === undefined || top[first] == null || top[second] == null) return;
  const { ctx: pen, bbox } = self;
  const [left, right] = [self.valToPos(from, "x", true), self.valToPos(to, "x", true)];
  pen.save();
  pen.beginPath();
  pen.moveTo(left, bbox.top + bbox.height);
  for (const [x, place] of [[left, first], [right, second]] as const) pen.lineTo(x, self.valToPos(top[place] ?? 0, "y", true) - devicePixelRatio);
  pen.lineTo(right, bbox.top + bbox.height);
  pen.clip();
  pen.strokeStyle = color("raised");
  pen.lineWidth = 2.5 * devicePixelRatio;
  const gap = 6 * devicePixelRatio;
  pen.beginPath();
  for (let at = left - bbox.height; at < right; at += gap) {
    pen.moveTo(at, bbox.top + bbox.height);
    pen.lineTo(at + bbox.height, bbox.top);
  }
  pen.stroke();
  pen.restore();
}

function seriesOf(lines: Line[], stacked: boolean, open: number[]): uPlot.Series[] {
  const few = (self: uPlot) => (self.data[0]?.length ?? 0) < 2;
  const drawnSeries = lines.map((line): uPlot.Series => {
    const stroke = colorOf(line);
    return {
      label: line.label,
      stroke,
      width: stacked ? 1 : 2,
      ...(line.dashed ? { dash: [4, 4], width: 1.5 } : {}),
      ...(stacked ? { fill: stroke } : line.filled ? { fill: `${stroke}1f` } : {}),
      points: { show: few, filter: (self, at) => isolatedPoints(self.data[at] ?? [], stacked ? (self.data[at + 1] ?? []) : undefined), size: 6, fill: stroke },
    };
  });
  if (stacked) return drawnSeries.reverse();
  const rest = open.flatMap(() => lines.flatMap((line, place) => (line.dashed ? [] : [{ ...(drawnSeries[place] as uPlot.Series), label: "", dash: [3, 4] }])));
  return [...drawnSeries, ...rest];
}

/** Indexes of values without neighbors, which a line cannot show. In a stack, only those that add to the area below. */
function isolatedPoints(values: ArrayLike<number | null | undefined>, below?: ArrayLike<number | null | undefined>): number[] | null {
  const adds = (value: number, place: number) => below === undefined || value > (below[place] ?? 0);
  const found = Array.from(values).flatMap((value, place) => (value != null && values[place - 1] == null && values[place + 1] == null && adds(value, place) ? [place] : []));
  return found.length > 0 ? found : null;
}

/** Range of the value axis. */
function range(least: number | null, most: number | null, { share }: Measure): [number, number] {
  if (share) return [Math.max(0, Math.floor(((least ?? 0) - 0.01) * 20) / 20), 1];
  const top = most ?? 0;
  return [0, top > 0 ? top * 1.08 : 1];
}

// Intervals between labeled steps on the time axis, by step.
const EACH: Record<string, number[]> = { HOUR: [1, 2, 3, 6, 12, 24], DAY: [1, 2, 3, 7, 14, 28, 84], WEEK: [1, 2, 4, 8, 13, 26, 52], MONTH: [1, 2, 3, 6, 12, 24] };

/** Times of the labeled steps, in seconds: always steps of the chart. */
function labeledSteps(times: ArrayLike<number>, step: string, room: number): number[] {
  const all = Array.from(times);
  const every = (EACH[step] ?? [1]).find((each) => all.length / each <= room) ?? all.length;
  return all.filter((time, place) => (step === "HOUR" ? new Date(time * 1000).getUTCHours() % every === 0 : place % every === 0));
}
