import type { ComponentChildren } from "preact";

/** One part of a question, with its label. */
export function Line({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="question-line">
      <span class="question-label">{label}</span>
      <div class="question-part">{children}</div>
    </div>
  );
}
