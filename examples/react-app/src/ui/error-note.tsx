import { RelayError } from 'stomp-relay-client';

interface ErrorNoteProps {
  readonly error: Error;
  readonly onDismiss?: () => void;
}

/** An error: its code for programs and searches, its sentence for people. */
export function ErrorNote({ error, onDismiss }: ErrorNoteProps) {
  return (
    <div className="error" role="alert">
      <p>
        <strong>{error instanceof RelayError ? error.code : 'error'}</strong> {error.message}
      </p>
      {onDismiss && (
        <button type="button" className="plain" onClick={onDismiss} aria-label="Dismiss this error">
          ✕
        </button>
      )}
    </div>
  );
}
