/** What a service that the relay asks has answered: read as far as a bound, as it may be broken or somebody else's. */

/** Rejects with an Error that says `tooLong` beyond `maxBytes`. */
export async function readAtMost({ body }: Response, maxBytes: number, tooLong: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(tooLong);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
