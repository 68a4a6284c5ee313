import type { ComponentChildren } from "preact";

interface Props {
  title: string;
  /** What it is for, beside it. */
  about: ComponentChildren;
  children: ComponentChildren;
}

/** A part of the settings: what it is on one side, what can be done on the other. */
export function Section({ title, about, children }: Props) {
  return (
    <section class="section" aria-label={title}>
      <div class="section-about">
        <h2>{title}</h2>
        <p>{about}</p>
      </div>
      <div class="card">{children}</div>
    </section>
  );
}
