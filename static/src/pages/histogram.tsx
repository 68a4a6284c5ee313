import type { Data } from "../api/client.ts";
import { Card } from "../ui/card.tsx";
import { barsOf } from "../ui/save.ts";
import { count, duration, plural, portion } from "../view/format.ts";

type Timed = Data<"Usage">["project"]["timed"]["groups"][number];

/** A small histogram for a table row. */
export function Shape({ counts }: { counts: number[] }) {
  const most = Math.max(1, ...counts);
  const width = 72 / Math.max(1, counts.length);
  return (
    <svg width="72" height="18" viewBox="0 0 72 18" aria-hidden="true">
      {counts.map((value, place) => {
        const height = value === 0 ? 0 : Math.max(1, (value / most) * 18);
        return <rect key={place} x={place * width} y={18 - height} width={Math.max(0.5, width - 0.6)} height={height} />;
      })}
    </svg>
  );
}

/** Histogram of durations, with a bar for each range on a logarithmic scale. */
export function Histogram({ of, explore }: { of: Timed; explore: string | undefined }) {
  const { edges, counts, timed, mean, percentiles } = of;
  const label = of.label ?? "";
  const most = Math.max(1, ...counts);
  const table = () => ({
    columns: ["durations", "events", "from ms", "to ms"],
    rows: counts.map((value, place) => [`${duration(edges[place])} – ${duration(edges[place + 1])}`, value, edges[place], edges[place + 1]]),
  });
  const marks = [percentiles.p50, percentiles.p95].map((value) => (value == null ? null : placeOf(value, edges)));
  return (
    <Card title={`Durations of ${label}`} note={`${plural(timed, "event")}, mean ${duration(mean)}`} table={table} picture={() => barsOf(table(), count)} explore={explore} wide>
      <div class="histogram" role="img" aria-label={`Durations of ${label}, from ${duration(edges[0])} to ${duration(edges.at(-1))}; median ${duration(percentiles.p50, percentiles.exact)}`}>
        {counts.map((value, place) => (
          <span key={place} title={`${duration(edges[place])} to ${duration(edges[place + 1])}: ${count(value)} (${portion(value / Math.max(1, timed))})`}>
            <i style={{ height: `${(value / most) * 100}%` }} />
          </span>
        ))}
        {marks.map((at, place) => at !== null && <b class={at > 0.85 ? "mark left" : "mark"} key={place} style={{ left: `${at * 100}%` }} data-name={place === 0 ? "median" : "p95"} />)}
      </div>
      <div class="histogram-ends" aria-hidden="true">
        {ticks(edges).map((place) => (
          <span key={place} style={{ left: `${(place / Math.max(1, counts.length)) * 100}%` }}>
            {duration(edges[place])}
          </span>
        ))}
      </div>
    </Card>
  );
}

/** Position of a duration on the axis, 0 to 1. */
function placeOf(value: number, edges: number[]): number {
  const after = edges.findIndex((edge) => edge > value);
  const place = after < 1 ? edges.length - 2 : after - 1;
  const [from, to] = [edges[place] ?? 0, edges[place + 1] ?? 0];
  return Math.min(1, Math.max(0, (place + (to > from ? (value - from) / (to - from) : 0)) / Math.max(1, edges.length - 1)));
}

/** Indexes of the labeled edges: about six, including the first and the last. */
function ticks(edges: number[]): number[] {
  const last = edges.length - 1;
  const apart = Math.max(1, Math.round(last / 5));
  const places = Array.from({ length: Math.floor(last / apart) + 1 }, (_, each) => each * apart).filter((place) => last - place >= apart * 0.7);
  return last > 0 ? [...places, last] : [];
}
