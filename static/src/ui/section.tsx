import type { ComponentChildren } from "preact";

interface Props {
  title: string;
  /** Description beside the form. */
  about: ComponentChildren;
  children: ComponentChildren;
}

/** A section of the settings: description on the left, form on the right. */
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
