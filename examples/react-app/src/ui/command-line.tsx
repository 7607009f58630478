/** A command for the terminal, with a button that copies it. */
import { useState } from 'react';

interface CommandLineProps {
  readonly label: string;
  readonly command: string;
}

export function CommandLine({ label, command }: CommandLineProps) {
  const [isCopied, setIsCopied] = useState(false);
  // Browsers have a clipboard only on https and loopback
  const copy = (): void => void navigator.clipboard.writeText(command).then(() => setIsCopied(true));

  return (
    <figure className="command">
      <figcaption>{label}</figcaption>
      <code>{command}</code>
      {isSecureContext && (
        <button type="button" className="plain" onClick={copy} aria-label={`Copy: ${label}`}>
          {isCopied ? 'Copied' : 'Copy'}
        </button>
      )}
    </figure>
  );
}
