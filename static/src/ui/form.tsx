import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { FieldError } from "../api/use.ts";

interface FieldProps {
  label: string;
  about?: ComponentChildren;
  /** Name of the field in the schema; errors with this name appear here. */
  name?: string;
  error?: Error | null;
  children: ComponentChildren;
}

/** A form field with a description and its validation error. */
export function Field({ label, about, name, error, children }: FieldProps) {
  const hasError = error instanceof FieldError && error.field === name && name;
  return (
    <label class="field">
      <span>{label}</span>
      {children}
      {about && <small>{about}</small>}
      {hasError && (
        <span class="wrong" role="alert">
          {error.message}
        </span>
      )}
    </label>
  );
}

/** A form's error that no single field displays. */
export function FormError({ error, fields = [] }: { error: Error | null; fields?: string[] }) {
  if (!error || (error instanceof FieldError && error.field !== null && fields.includes(error.field))) return null;
  return (
    <p class="wrong" role="alert">
      {error instanceof FieldError && error.field ? `${error.field}: ` : ""}
      {error.message}
    </p>
  );
}

/** A button that asks for confirmation before an irreversible action. */
export function ConfirmButton({ label, question, act, disabled = false }: { label: string; question: string; act: () => void; disabled?: boolean }) {
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

/** The trimmed value of a form field. */
export const formValue = (form: HTMLFormElement, name: string): string => String(new FormData(form).get(name) ?? "").trim();
