import { Spark } from "../charts/spark.tsx";
import { day } from "../view/format.ts";
import { Icon } from "./icons.tsx";

interface Props {
  label: string;
  text: string;
  /** The same with all its digits. */
  full?: string;
  /** What it was in the period before. */
  was?: string;
  change?: number | null;
  /** The change, as it is said. */
  grew?: string;
  /** Since when there is anything, in epoch ms, where that is too short to compare. */
  since?: number | null;
  spark?: (number | null)[];
  /** The last value of the line is of a step that has not ended. */
  open?: boolean;
  /** What the period is compared with. */
  against?: string | undefined;
  /** Less is better. */
  less?: boolean;
  close?: boolean;
  /** What it counts, where the page says something else. */
  note?: string | undefined;
  /** Whether it is what the page shows in full, and how to make it that. */
  picked?: boolean;
  pick?: () => void;
}

/** A figure at a glance, with how it changed. A click picks it, where it can be picked. */
export function Figure({ label, text, full, was, change, grew = "", since, spark, open = false, against, less = false, close = false, note, picked, pick }: Props) {
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
      <p class="change" title={against}>{since === undefined ? <Change change={change ?? null} grew={grew} was={was ?? ""} less={less} /> : <span class="soft">{since ? `since ${day(since)}` : ""}</span>}</p>
      {note && <p class="figure-note">{note}</p>}
      {spark && <Spark values={spark} close={close} open={open} />}
    </div>
  );
}

function Change({ change, grew, was, less }: { change: number | null; grew: string; was: string; less: boolean }) {
  if (change === null) return <span class="soft">nothing to compare</span>;
  const still = Math.abs(change) < 0.005;
  const tone = still ? "soft" : change > 0 !== less ? "good" : "bad";
  return (
    <>
      <b class={tone}>
        {!still && <Icon name={change > 0 ? "up" : "down"} size={13} />} {still ? "same" : grew}
      </b>{" "}
      <span class="soft">was {was}</span>
    </>
  );
}
