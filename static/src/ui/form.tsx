import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { Wrong } from "../api/use.ts";

interface FieldProps {
  label: string;
  about?: ComponentChildren;
  /** The field's name in the schema: an error that names it is shown here. */
  name?: string;
  error?: Error | null;
  children: ComponentChildren;
}

/** A field of a form, with what it means and what is wrong with it. */
export function Field({ label, about, name, error, children }: FieldProps) {
  const wrong = error instanceof Wrong && error.field === name && name;
  return (
    <label class="field">
      <span>{label}</span>
      {children}
      {about && <small>{about}</small>}
      {wrong && (
        <span class="wrong" role="alert">
          {error.message}
        </span>
      )}
    </label>
  );
}

/** What went wrong with a form that is no single field's fault. */
export function FormError({ error, fields = [] }: { error: Error | null; fields?: string[] }) {
  if (!error || (error instanceof Wrong && error.field !== null && fields.includes(error.field))) return null;
  return (
    <p class="wrong" role="alert">
      {error instanceof Wrong && error.field ? `${error.field}: ` : ""}
      {error.message}
    </p>
  );
}

/** A button that asks before it does what cannot be undone. */
export function Confirmed({ label, question, act, disabled = false }: { label: string; question: string; act: () => void; disabled?: boolean }) {
  const box = useRef<HTMLDialogElement>(null);
  return (
    <>
      <button type="button" class="button danger" disabled={disabled} onClick={() => box.current?.showModal()}>
        {label}
      </button>
      <dialog ref={box}>
        <h2>{label}</h2>
        <p>{question}</p>
        <div class="inline">
          <button type="button" class="button" onClick={() => box.current?.close()}>
            Cancel
          </button>
          <button
            type="button"
            class="button danger"
            onClick={() => {
              box.current?.close();
              act();
            }}
          >
            {label}
          </button>
        </div>
      </dialog>
    </>
  );
}

/** The value of a form's field by its name. */
export const given = (form: HTMLFormElement, name: string): string => String(new FormData(form).get(name) ?? "").trim();
