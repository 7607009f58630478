import { useInsertionEffect, useRef } from 'react';

/** A ref for callbacks. It holds the value of the last committed render, and a new value never resubscribes. */
export function useNewest<T>(value: T): { readonly current: T } {
  const ref = useRef(value);
  useInsertionEffect(() => {
    ref.current = value;
  });
  return ref;
}
