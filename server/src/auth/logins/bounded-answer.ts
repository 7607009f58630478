/** Reads the body of an HTTP response up to `maxBytes`; beyond them it rejects with `new Error(tooLong)`. */
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
