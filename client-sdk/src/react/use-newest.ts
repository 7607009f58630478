import { useInsertionEffect, useRef } from 'react';

/** For callbacks: always what the last render that was shown was given, and never a reason to subscribe again. */
export function useNewest<T>(value: T): { readonly current: T } {
  const ref = useRef(value);
  useInsertionEffect(() => {
    ref.current = value;
  });
  return ref;
}
