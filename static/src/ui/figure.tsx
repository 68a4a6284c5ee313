import { Spark } from "../charts/spark.tsx";
import { day } from "../view/format.ts";
import { Icon } from "./icons.tsx";

interface Props {
  label: string;
  text: string;
  /** The value with all digits. */
  full?: string;
  /** Value in the previous period. */
  was?: string;
  change?: number | null;
  /** The formatted change. */
  grew?: string;
  /** Time of the first event in epoch ms, if there is too little earlier data for a comparison. */
  since?: number | null;
  spark?: (number | null)[];
  /** The first value of the sparkline belongs to an incomplete step. */
  cut?: boolean;
  /** The last value of the sparkline belongs to an incomplete step. */
  open?: boolean;
  /** Tooltip that names the period of comparison. */
  against?: string | undefined;
  /** Lower is better. */
  less?: boolean;
  close?: boolean;
  /** Note for a figure that ignores the page's filters. */
  note?: string | undefined;
  /** Whether the main chart shows this figure, and the action that selects it. */
  picked?: boolean;
  pick?: () => void;
}

/** A figure card with its change. A click selects it for the main chart, if `pick` is given. */
export function Figure({ label, text, full, was, change, grew = "", since, spark, cut = false, open = false, against, less = false, close = false, note, picked, pick }: Props) {
  return (
    <div class={picked ? "figure-card picked" : "figure-card"}>
      <h2>
        {pick ? (
          <button type="button" aria-pressed={picked} onClick={pick}>
            {label}
          </button>
        ) : (
          label
        )}
      </h2>
      <p class="big" title={full === text ? undefined : full}>
        {text}
      </p>
      <p class="change" title={since === undefined ? against : since === null ? undefined : "No comparison: there is too little data before this period"}>{since === undefined ? <Change change={change ?? null} grew={grew} was={was ?? ""} less={less} /> : <span class="soft">{since ? `since ${day(since)}` : ""}</span>}</p>
      {note && <p class="figure-note">{note}</p>}
      {spark && <Spark values={spark} close={close} cut={cut} open={open} />}
    </div>
  );
}

function Change({ change, grew, was, less }: { change: number | null; grew: string; was: string; less: boolean }) {
  if (change === null) return <span class="soft">no comparison</span>;
  const still = Math.abs(change) < 0.005;
  const tone = still ? "soft" : change > 0 !== less ? "good" : "bad";
  return (
    <>
      <b class={tone}>
        {!still && <Icon name={change > 0 ? "up" : "down"} size={13} />} {still ? "no change" : grew}
      </b>{" "}
      <span class="soft">was {was}</span>
    </>
  );
}
