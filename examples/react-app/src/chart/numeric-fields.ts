/** The numbers in a row of any shape. */

const DEPTH_MAX = 2;
/** PostgreSQL's `numeric` arrives as text in JSON. */
const NUMBER_AS_TEXT = /^-?\d+(\.\d+)?$/;

/** Calls `found` for each number in a row: `price`, `load.cpu`, or `value` if the row itself is a number. */
export function eachNumber(row: unknown, found: (field: string, value: number) => void): void {
  visit(row, '', 0, found);
}

function visit(value: unknown, path: string, depth: number, found: (field: string, value: number) => void): void {
  if (typeof value === 'object' && value !== null) {
    if (depth === DEPTH_MAX || ArrayBuffer.isView(value)) return;
    for (const [key, each] of Object.entries(value))
      visit(each, path === '' ? key : `${path}.${key}`, depth + 1, found);
    return;
  }
  const number = typeof value === 'string' && NUMBER_AS_TEXT.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isFinite(number)) found(path === '' ? 'value' : path, number);
}
