import type { Ref } from "preact";
import { useEffect, useImperativeHandle, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { stepText, tick, tight } from "../view/format.ts";
import { color, series as seriesColor, useTheme } from "./theme.ts";

export interface Line {
  label: string;
  values: (number | null)[];
  /** A variable of the page's colours; by its place where it is left out. */
  color?: string;
  dashed?: boolean;
  filled?: boolean;
}

interface Props {
  starts: string[];
  lines: Line[];
  step: string;
  figure: (value: number | null) => string;
  /** Lines pile up; what is said of each stays its own. */
  stacked?: boolean;
  height?: number;
  label: string;
  handle?: Ref<Drawn>;
}

/** What others may want of a chart that was drawn. */
export interface Drawn {
  canvas(): HTMLCanvasElement | null;
}

/** Lines over time, or areas that pile up, with what is under the pointer said beside it. */
export function Plot({ starts, lines, step, figure, stacked = false, height = 240, label, handle }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [at, setAt] = useState<{ place: number; left: number } | null>(null);
  const theme = useTheme();
  const shape = `${lines.map((line) => `${line.label}${line.dashed}`).join()} ${stacked} ${step} ${theme} ${height}`;
  const data = dataOf(starts, lines, stacked);

  useEffect(() => {
    const host = box.current;
    if (!host) return;
    const made = new uPlot(optionsOf(host.clientWidth, height, lines, stacked, step, figure, setAt), data, host);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: host.clientWidth, height }));
    observer.observe(host);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => plot.current?.setData(data), [starts, lines]);
  useImperativeHandle(handle ?? null, () => ({ canvas: () => plot.current?.ctx.canvas ?? null }), []);

  const start = at && starts[at.place];
  return (
    <div class="plot" role="img" aria-label={label}>
      <div ref={box} />
      {at && start && (
        <div class={at.left > (box.current?.clientWidth ?? 0) / 2 ? "tip left" : "tip"} style={{ left: `${at.left}px` }}>
          <strong>{stepText(start, step)}</strong>
          {lines.map((line, place) => (
            <span key={line.label}>
              <i style={{ background: colorOf(line, place) }} /> {line.label} <b>{figure(line.values[at.place] ?? null)}</b>
            </span>
          ))}
        </div>
      )}
    </div>
  );
}

/** What the lines' colours mean. */
export function Legend({ lines }: { lines: Line[] }) {
  useTheme();
  return (
    <ul class="legend">
      {lines.map((line, place) => (
        <li key={line.label}>
          <i class={line.dashed ? "dashed" : ""} style={{ background: colorOf(line, place) }} /> {line.label}
        </li>
      ))}
    </ul>
  );
}

const colorOf = (line: Line, place: number): string => (line.color ? color(line.color) : seriesColor(place));

function dataOf(starts: string[], lines: Line[], stacked: boolean): uPlot.AlignedData {
  const times = starts.map((start) => Date.parse(start) / 1000);
  if (!stacked) return [times, ...lines.map(({ values }) => values.slice(0, times.length))] as uPlot.AlignedData;
  const sums = times.map(() => 0);
  const piled = lines.map(({ values }) =>
    times.map((_, place) => {
      sums[place] = (sums[place] ?? 0) + (values[place] ?? 0);
      return sums[place] ?? 0;
    }),
  );
  return [times, ...piled.reverse()]; // the highest is drawn first, the others over it
}

type Point = (at: { place: number; left: number } | null) => void;

function optionsOf(width: number, height: number, lines: Line[], stacked: boolean, step: string, figure: Props["figure"], point: Point): uPlot.Options {
  const grid = { stroke: color("line"), width: 1 };
  const font = `12px ${color("sans")}`;
  const drawn = lines.map((line, place) => ({ line, place }));
  if (stacked) drawn.reverse();
  const few = (self: uPlot) => (self.data[0]?.length ?? 0) < 2;
  return {
    width,
    height,
    padding: [12, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (_, __, most) => [0, Math.max(most * 1.08, most <= 1 && most > 0 ? most : 1)] } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    axes: [
      { stroke: color("soft"), font, grid: { show: false }, ticks: { show: false }, gap: 8, size: 32, space: 70, values: (_, times) => times.map((time) => tick(time * 1000, step)) },
      { stroke: color("soft"), font, grid, ticks: { show: false }, size: (_, values) => 14 + 7 * Math.max(2, ...(values ?? []).map((value) => value.length)), values: (_, values) => values.map((value) => (Number.isInteger(value) || value < 1 ? axis(value, figure) : "")) },
    ],
    series: [
      {},
      ...drawn.map(({ line, place }): uPlot.Series => {
        const stroke = colorOf(line, place);
        return {
          label: line.label,
          stroke,
          width: stacked ? 1 : 2,
          ...(line.dashed ? { dash: [4, 4], width: 1.5 } : {}),
          ...(stacked ? { fill: stroke } : line.filled ? { fill: `${stroke}1f` } : {}),
          points: { show: few, size: 6, fill: stroke },
        };
      }),
    ],
    hooks: {
      setCursor: [
        (self) => {
          const { idx, left } = self.cursor;
          point(idx == null || left == null || left < 0 ? null : { place: idx, left: left + self.over.offsetLeft });
        },
      ],
    },
  };
}

/** A figure on an axis: short where it is a number, as it is where it is a share or a duration. */
function axis(value: number, figure: Props["figure"]): string {
  const text = figure(value);
  return /^[\d.,\s]+$/.test(text) ? tight(value) : text;
}
