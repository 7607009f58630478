import { useLayoutEffect, useRef } from 'react';
import type { RefObject } from 'react';

const NEAR_PX = 60;

/** Keeps a scrolling element at its end when `content` changes, unless the user has scrolled up. */
export function useStickToEnd<E extends HTMLElement>(
  content: unknown,
): { ref: RefObject<E | null>; onScroll: () => void } {
  const ref = useRef<E>(null);
  const isAtEnd = useRef(true);

  useLayoutEffect(() => {
    if (isAtEnd.current) ref.current?.scrollTo({ top: ref.current.scrollHeight });
  }, [content]);

  const onScroll = (): void => {
    const { scrollHeight, scrollTop, clientHeight } = ref.current as E;
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < NEAR_PX;
  };
  return { ref, onScroll };
}
