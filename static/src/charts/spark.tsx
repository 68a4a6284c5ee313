/** A small line without axes, for beside a figure. It repeats what the chart says, so readers that cannot see it are spared. */
export function Spark({ values }: { values: (number | null)[] }) {
  const known = values.map((value) => value ?? 0);
  if (known.length < 2 || known.every((value) => value === 0)) return <svg class="spark" viewBox="0 0 100 28" aria-hidden="true" />;
  const most = Math.max(...known);
  const points = known.map((value, place) => `${((place / (known.length - 1)) * 100).toFixed(1)},${(26 - (value / most) * 24).toFixed(1)}`);
  return (
    <svg class="spark" viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true">
      <polygon points={`0,28 ${points.join(" ")} 100,28`} />
      <polyline points={points.join(" ")} />
    </svg>
  );
}
