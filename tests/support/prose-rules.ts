/**
 * The rules of plain English that a program can check, over comments, texts in the code, and documents. A rule is a share of
 * sentences, not a ban: now and then such a sentence is the best one. CONTRIBUTING.md has the whole house rule.
 */
export interface ProseRule {
  readonly name: string;
  /** The remedy for the writer. */
  readonly instead: string;
  readonly pattern: RegExp;
  /** The largest share of sentences, in percent. */
  readonly percentMax: number;
}

export const PROSE_RULES: readonly ProseRule[] = [
  {
    name: 'free relative',
    instead: 'name the subject: the client, the session, the caller, the message',
    // a question is fine
    pattern: /^["“'(`]*(?:who|whom|whose|whoever|whomever|what|whatever|where|wherever|which|whichever)\b(?!.*\?$)/i,
    percentMax: 1,
  },
  {
    name: 'a thing that says, tells, hears or speaks',
    instead: 'name the act: sends, reports, logs, names, notifies, reads, supports',
    pattern:
      /\b(?:say|says|said|saying|tell|tells|told|telling|hear|hears|heard|hearing|speak|speaks|spoke|spoken|speaking)\b/i,
    percentMax: 1,
  },
  {
    name: 'somebody or nobody',
    instead: 'name the person or program: no client, another user, every session',
    pattern: /\b(?:nobody|somebody|anybody|everybody|whoever|whomever|anew|dear)\b/i,
    percentMax: 0.3,
  },
];
