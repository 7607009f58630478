/** placeholder until parse and format land */
export type Destination =
  | { readonly kind: 'topic'; readonly text: string; readonly key: string; readonly spelling: 'dots' | 'slashes' }
  | { readonly kind: 'exchange'; readonly text: string; readonly exchange: string; readonly key: string }
  | { readonly kind: 'queue'; readonly text: string; readonly queue: string }
  | { readonly kind: 'amq-queue'; readonly text: string; readonly queue: string }
  | { readonly kind: 'temp-queue'; readonly text: string; readonly name: string }
  | { readonly kind: 'reply-queue'; readonly text: string; readonly queue: string }
  /** `/user/queue/X` (no `user`: the session's own) and `/user/NAME/queue/X`. */
  | { readonly kind: 'user'; readonly text: string; readonly user: string | undefined; readonly name: string };
