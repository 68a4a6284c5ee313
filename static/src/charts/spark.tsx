interface Props {
  values: (number | null)[];
  /** Scales from minimum to maximum instead of from zero, for rates and durations. */
  close?: boolean;
  /** The first value belongs to an incomplete step. */
  cut?: boolean;
  /** The last value belongs to an incomplete step. */
  open?: boolean;
}

/** A sparkline. Hidden from screen readers, because it repeats the chart. */
export function Spark({ values, close = false, cut = false, open = false }: Props) {
  const known = values.filter((value) => value !== null);
  if (known.length < 2 || known.every((value) => value === 0)) return <svg class="spark" viewBox="0 0 100 28" aria-hidden="true" />;
  const [lowest, most] = [Math.min(...known), Math.max(...known)];
  const least = close && lowest < most ? lowest - (most - lowest) * 0.4 : 0;
  const end = values.length - 1;
  const points = values.flatMap((value, place) => {
    if (value === null) return [];
    return [`${((place / end) * 100).toFixed(1)},${(26 - ((value - least) / (most - least || 1)) * 22).toFixed(1)}`];
  });
  const [from, to] = [points[0]?.split(",")[0], points.at(-1)?.split(",")[0]];
  return (
    <svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true">
      <polygon points={`${from},28 ${points.join(" ")} ${to},28`} />
      <polyline points={points.slice(cut ? 1 : 0, open ? -1 : undefined).join(" ")} />
      {cut && <polyline class="open" points={points.slice(0, 2).join(" ")} />}
      {open && <polyline class="open" points={points.slice(-2).join(" ")} />}
    </svg>
  );
}
