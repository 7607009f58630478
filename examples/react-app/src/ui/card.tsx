import { useId } from 'react';
import type { ReactNode } from 'react';

interface CardProps {
  readonly title: string;
  readonly className?: string;
  /** Beside the title. */
  readonly aside?: ReactNode;
  readonly children: ReactNode;
}

/** A part of the page. Screen readers announce it by its title. */
export function Card({ title, className = '', aside, children }: CardProps) {
  const id = useId();
  return (
    <section className={`card ${className}`} aria-labelledby={id}>
      <header className="card-title">
        <h2 id={id}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}
